"""What a request to an API server is made of, and what its failures are called."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from nexus_core import __version__
from nexus_core.adapters.kubernetes.credentials import Grant
from nexus_core.domain.story.words import spoken

JSON = "application/json"
"""What bodies are, unless they say otherwise."""


class Request(NamedTuple):
    """What is sent, by whatever credentials."""

    method: str
    target: str
    body: bytes | None
    content_type: str
    send_by: float | None


def new_session(limit: int) -> aiohttp.ClientSession:
    """Return a session of its own for so many connections at once; 0: for any number."""
    # `trust_env` stays off: a proxy is the kubeconfig's to name, and looking for one costs.
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit),
        headers={"User-Agent": f"nexus/{__version__}", "Accept": JSON},
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def target_of(path: str, params: Mapping[str, str] | None) -> str:
    """Return the path and the query that are asked for."""
    return f"{path}?{urlencode(params)}" if params else path


def url_of(grant: Grant, target: str) -> URL:
    """Return the whole address, as encoded as it was given."""
    return URL(grant.access.server + target, encoded=True)


def presenting(grant: Grant, content_type: str | None) -> dict[str, Any]:
    """Return what of a grant a request takes."""
    access = grant.access
    headers = {}
    if access.authorization:
        headers["Authorization"] = access.authorization
    if content_type is not None:
        headers["Content-Type"] = content_type
    presented: dict[str, Any] = {"headers": headers, "allow_redirects": False}
    if grant.ssl is not None:
        presented["ssl"] = grant.ssl
    if access.server_name:
        presented["server_hostname"] = access.server_name
    if access.proxy:
        presented["proxy"] = access.proxy
    return presented


def reason_of(error: Exception, patience: float) -> str:
    """Say what went wrong, as a clause after the server's name; `patience` is how long it had."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            # No figure: what is to be sent by a given time has less each time, and a reason that
            # is another one each time is said in the log each time.
            return "gave no connection in time"
        case TimeoutError():
            return f"did not answer within {spoken(timedelta(seconds=patience))}"
        case aiohttp.ClientConnectorCertificateError():
            return f"presents a certificate that is not trusted: {error.certificate_error}"
        case aiohttp.ClientSSLError():
            return f"can't be spoken to by TLS: {error.os_error}"
        case aiohttp.ClientConnectorError():
            return f"can't be reached: {error.os_error.strerror or error.os_error}"
        case _:
            said = " ".join(str(error).split())
            return f"cut the connection: {type(error).__name__}" + (f": {said}" if said else "")
