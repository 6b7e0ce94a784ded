"""The TLS stacks: how each is run as a client or a server, and how its output is read."""
