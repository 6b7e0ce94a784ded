"""The laboratory of predict-then-cut-over: real clients, real servers, two namespaces and one recorder."""
