"""Prometheus: the tool that checks rules and runs their tests; and the server, for images."""
