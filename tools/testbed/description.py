"""What `testbed.json` says: where the servers of a running testbed are, and how to log in.

Paths are absolute. Whoever runs servers of their own writes such a file and names its folder in
`NEXUS_TESTBED`; `pid` is then 0, and tests that kill a server start a private one anyway.
"""

import os
from typing import Literal

import msgspec

from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

ServerName = Literal["cassandra", "s3", "kubernetes", "node", "engine"]


class CassandraDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A Cassandra of one node."""

    host: str
    port: int
    """Plaintext; logs in by password."""
    tls_port: int
    """TLS, refuses clients without a certificate of `ca`; logs in by password too."""
    local_dc: str
    user: str
    """A superuser."""
    password: str
    reader_user: str
    """May log in and has no rights."""
    reader_password: str
    ca: str
    client_certificate: str
    client_key: str
    expired_certificate: str
    """A client certificate of `ca` whose time is over."""
    expired_key: str
    pid: int = 0


class S3Description(msgspec.Struct, frozen=True, kw_only=True):
    """An S3-compatible server."""

    endpoint: str
    """Its URL, for path-style requests."""
    access_key_id: str
    secret_access_key: str
    region: str
    """The only one that signatures may name."""
    bucket: str
    """Belongs to the first user; made empty."""
    denied_access_key_id: str
    """A user who may do nothing with that bucket."""
    denied_secret_access_key: str
    virtual_host_endpoint: str = ""
    """Its URL, for requests whose host begins with the bucket; clients must know themselves that
    names below `localhost` are loopback. Empty: there is none."""
    pid: int = 0


class KubernetesDescription(msgspec.Struct, frozen=True, kw_only=True):
    """An API server with its controllers."""

    kubeconfig: str
    """Of an administrator."""
    endpoint: str
    ca: str
    namespace: str
    """Where runs go."""
    second_namespace: str
    """Where the runs of `shard-1` go, which is the same cluster."""
    deploy_namespace: str
    """Where templates and workgroups live."""
    shards_folder: str
    """A file `<cluster>.kubeconfig` a cluster: `shard-0`, `shard-1`."""
    nexus_kubeconfig: str
    """Of a service account that may do what the services need, in the three namespaces."""
    denied_kubeconfig: str
    """Of a service account that may do nothing."""
    expired_kubeconfig: str
    """Of a client certificate whose time is over."""
    kubectl: str
    """The program, of the same version."""
    version: str
    """As `v1.2.3`."""
    pids: tuple[int, ...] = ()


class NodeDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A real node of that cluster. Pods on it use the network of the machine."""

    name: str
    label: str
    """Its value is the node's name; for the affinity of who is to run there."""
    taint: str
    """To be tolerated by who is to run there."""
    image: str
    """In which `python3 -m examples.…` runs; no other is there."""
    logs: str
    """The folder of the pods' logs."""
    pid: int = 0


class EngineDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A Docker engine, where none answered before."""

    host: str
    """Its address, as in DOCKER_HOST."""
    client: str
    """The program `docker`, of the same version."""
    pid: int = 0


Part = (
    CassandraDescription
    | S3Description
    | KubernetesDescription
    | NodeDescription
    | EngineDescription
)


class Description(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The servers that were started and not stopped; `None` where there is none."""

    cassandra: CassandraDescription | None = None
    s3: S3Description | None = None
    kubernetes: KubernetesDescription | None = None
    node: NodeDescription | None = None
    engine: EngineDescription | None = None

    def part(self, name: ServerName) -> Part | None:
        """Return what is said about a server."""
        parts: dict[ServerName, Part | None] = {
            "cassandra": self.cassandra,
            "s3": self.s3,
            "kubernetes": self.kubernetes,
            "node": self.node,
            "engine": self.engine,
        }
        return parts[name]

    def having(self, name: ServerName, part: Part | None) -> "Description":
        """Return the description with another part in place of a server's."""
        return msgspec.structs.replace(self, **{name: part})


def read_description(places: Places) -> Description:
    """Return what is said about the running testbed; an empty one when none runs.

    Raises:
        TestbedError: The file is no description.
    """
    try:
        content = places.description.read_bytes()
    except FileNotFoundError:
        return Description()
    try:
        return msgspec.json.decode(content, type=Description)
    except msgspec.DecodeError as error:
        raise TestbedError(f"{places.description} is no description: {error}") from error


def write_description(places: Places, description: Description) -> None:
    """Replace the description of the running testbed: readers see the old one or the new one."""
    draft = places.description.with_suffix(".draft")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
    # It holds passwords, if only of a testbed.
    draft.chmod(0o600)
    os.replace(draft, places.description)  # noqa: PTH105 - Path.replace says nothing of atomicity
