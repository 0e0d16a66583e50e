"""Prometheus' tool that checks rules and runs their tests; no server of it."""
