"""Where to connect to and as whom, whichever driver does it."""

from pathlib import Path

from msgspec import Struct


class Login(Struct, frozen=True):
    """A user of the servers."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, '***')"


class AwsLogin(Struct, frozen=True):
    """Signed logins for Amazon Keyspaces."""

    region: str
    access_key_id: str
    """Empty: the default chain finds the credentials, and refreshes them."""
    secret_access_key: str

    def __repr__(self) -> str:
        return f"AwsLogin({self.region!r}, {self.access_key_id!r}, '***')"


class Tls(Struct, frozen=True, kw_only=True):
    """Encrypted connections."""

    ca: Path
    """The authorities whose certificates are believed."""
    certificate: Path | None = None
    """Ours, with its chain."""
    key: Path | None = None
    verify_address: bool = False
    """Whether a node's certificate must also name the address that it is reached at."""


class Plan(Struct, frozen=True, kw_only=True):
    """How to reach the servers."""

    name: str
    """What errors call them, such as `Cassandra at a, b`."""
    hosts: tuple[str, ...] = ()
    """None with a bundle."""
    port: int = 9042
    bundle: Path | None = None
    """The secure connection bundle of an Astra database."""
    login: Login | AwsLogin | None = None
    tls: Tls | None = None
    local_dc: str = ""
    """Empty: that of the node which answers first."""
    keyspace: str = ""
    connect_seconds: float = 5.0
    """For one connection."""
    request_seconds: float = 5.0
    connections: int = 1
    """To each node."""
