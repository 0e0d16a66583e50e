"""The library that the Nexus services share.

Rooms: `domain` decides (pure), `ports` say what the outside must offer, `adapters` offer it,
`operations` carry out what more than one service does to a run, and `aio`, `web`, `telemetry`
and `settings` are the plumbing of a service. Import contracts in `pyproject.toml` keep them apart.
"""

__version__ = "0.1.0"
