"""Settings of the checkpoint stores, a section each."""

from nexus_core.settings.loader import Section
from nexus_core.settings.values import Port, Secret


class ScyllaCqlStore(Section, frozen=True):
    """A Scylla or Cassandra cluster. Taken, and not used by this release, which has no adapter."""

    hosts: tuple[str, ...] = ()
    """Where to find it; one node is enough."""
    port: Port = 9042
    """Of all nodes."""
    user: str = ""
    """Who we are to it."""
    password: Secret = Secret("")
    """What proves it."""
    local_dc: str = ""
    """The data centre whose nodes are asked first."""


class EmbeddedStore(Section, frozen=True):
    """The SQLite checkpoint store."""

    path: str = ""
    """Its file; empty: `checkpoints.sqlite` in the data folder."""
