"""Settings of the checkpoint stores, a section each."""

from typing import Literal

from nexus_core.settings.loader import Section
from nexus_core.settings.values import Duration, Port, Positive, Secret, Text


class EmbeddedStore(Section, frozen=True):
    """The SQLite checkpoint store."""

    path: str = ""
    """Its file; empty: `checkpoints.sqlite` in the data folder."""


class ScyllaCqlStore(Section, frozen=True):
    """A Scylla or Cassandra cluster, for `cql-store-type` `scylla`."""

    hosts: tuple[str, ...] = ()
    """Where to find it; one node that answers is enough. With a port of its own, `10.0.0.1:9142`,
    it must be the same for all."""
    port: Port = 9042
    """Of all nodes."""
    user: str = ""
    """Who we are to it; empty: it asks nobody."""
    password: Secret = Secret("")
    """What proves it."""
    local_dc: str = ""
    """The data centre whose nodes are asked, and whose replicas have to agree. All services of one
    Nexus name the same; empty only where there is but one."""
    keyspace: Text = "nexus"
    """Where the tables are."""
    indexes_supported: bool = False
    """Whether `checkpoints` has secondary indexes; otherwise there are lookup tables."""
    ca_path: str = ""
    """A PEM file of the authorities that sign the nodes' certificates; empty: no TLS."""
    certificate_path: str = ""
    """A PEM file of our own certificate and its chain, where the nodes want to see one."""
    key_path: str = ""
    """A PEM file of its key, not encrypted."""
    verify_address: bool = False
    """Whether a node's certificate must also name the address that it is reached at."""


class AstraCqlStore(Section, frozen=True):
    """An Astra database, for `cql-store-type` `astra`."""

    secure_connection_bundle_base64: Secret = Secret("")
    """The secure connection bundle, a zip, in base64."""
    gateway_user: str = ""
    """Client id of a token, or `token`."""
    gateway_password: Secret = Secret("")
    """Its secret, or the token itself."""
    keyspace: Text = "nexus"
    """Where the tables are."""
    indexes_supported: bool = False
    """Whether `checkpoints` has secondary indexes; otherwise there are lookup tables."""


class KeyspacesCqlStore(Section, frozen=True):
    """Amazon Keyspaces, for `cql-store-type` `keyspaces`. It has no secondary indexes.

    Needs the extra `keyspaces` of `nexus-core`, since one driver alone signs its logins.
    """

    hosts: tuple[str, ...] = ()
    """Its endpoint, such as `cassandra.eu-central-1.amazonaws.com`."""
    port: Port = 9142
    """Of the endpoint."""
    ca_path: str = ""
    """A PEM file of the authorities that Amazon names for it."""
    region: str = ""
    """Such as `eu-central-1`; also what its data centre is called."""
    keyspace: Text = "nexus"
    """Where the tables are."""
    use_irsa: bool = False
    """Whether AWS's own chain finds the credentials, as with a role of the service account. If not:
    the variables `KEYSPACES_AWS_ACCESS_KEY_ID` and `KEYSPACES_AWS_SECRET_ACCESS_KEY`."""


class CqlSection(Section, frozen=True):
    """How all of these are spoken to."""

    driver: Literal["acsylla", "datastax"] = "acsylla"
    """`acsylla` takes half of the CPU time or less. `keyspaces` has no choice: `datastax`."""
    request_timeout: Duration = Duration(5)
    """For one try of a request. Longer than the servers' own timeouts, which say more."""
    patience: Duration = Duration(10)
    """For a request as a whole, with the wait for its turn and its repetitions."""
    tries: Positive = 3
    """How often at most a request is tried, where that is safe."""
    connect_timeout: Duration = Duration(5)
    """For one connection."""
    connections: Positive = 1
    """To each node, of `acsylla`; each takes thousands of requests at the same time."""
    max_in_flight: Positive = 256
    """Requests at the same time; further ones wait for their turn."""
    adopt_runs: bool = False
    """Whether supervisors look every minute for open runs that schedulers of the Go implementation
    accepted into the same tables. Only while there are such schedulers: what is looked through
    slows down with every run that there ever was."""
