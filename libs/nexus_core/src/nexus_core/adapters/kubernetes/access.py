"""How an API server is reached, and by whom: values alone."""

from datetime import datetime

import msgspec


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to trust, and what to present."""

    ca: bytes = b""
    """PEM; empty: whom this machine trusts."""
    certificate: bytes = b""
    """PEM; empty: none is presented."""
    key: bytes = b""
    """PEM of the certificate's key."""
    verify: bool = True
    """False: whoever answers is believed, as the kubeconfig demands."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """All that a request to an API server takes, as it was read once."""

    server: str
    """URL without a slash at its end, such as `https://10.0.0.1:6443`."""
    user: str = ""
    """What the configuration calls whose credentials these are; for messages."""
    tls: Tls | None = None
    """None: plain HTTP."""
    server_name: str = ""
    """What the server's certificate must be for, where not for the host of `server`."""
    proxy: str = ""
    authorization: str = ""
    """Value of the header of that name; empty: none is sent."""
    expires_at: datetime | None = None
    """When the credentials expire, where they say so."""
