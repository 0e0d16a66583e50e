"""Plumbing for HTTP services on aiohttp: endpoints, bodies, probes, metrics, start and shutdown."""
