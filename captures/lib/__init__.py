"""What `captures/make` is built from: a network of namespaces, recorder, endpoints and truth."""
