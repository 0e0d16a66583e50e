"""Starting and stopping an HTTP service in order."""

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage

from nexus_core.domain.errors import UnavailableError

# Connections that wait to be taken; a burst of clients finds the system's own maximum instead.
_BACKLOG = 1024

# A tag may be 1024 characters, of which each takes up to 12 when it stands in a URL.
_MAX_REQUEST_LINE = 16 * 1024


# A connection on which nothing comes is closed after so many seconds, half a request's head or not.
# Longer than load balancers keep theirs (60 s), or they would send requests into a closing one.
_IDLE_SECONDS = 75

_ALL_OF_IPV6 = "::"


class _MalformedRequests(logging.Filter):
    """Drops what the HTTP parser says of requests that are none: 400 is all that they deserve.

    aiohttp logs each with a traceback, so anybody could fill the log from outside. So it does with
    bodies that are not encoded as their heads say, after these were answered.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a line is to be written."""
        return not (
            record.exc_info
            and isinstance(record.exc_info[1], BadHttpMessage | web.RequestPayloadError)
        )


_log = logging.getLogger("nexus.http")
_log.addFilter(_MalformedRequests())


def bind(host: str, port: int) -> socket.socket:
    """Take an address, before anything else is opened; port 0 lets the system choose.

    `::` takes those of IPv4 along, where the system can. Nothing is answered yet: connections wait
    until `listening` serves them.

    Raises:
        UnavailableError: the address can't be had; one line that says why.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == _ALL_OF_IPV6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        raise UnavailableError(_cannot_listen(host, port, error)) from error


def url_of(bound: socket.socket) -> str:
    """Return the URL of an address that was taken."""
    host, port = bound.getsockname()[:2]
    return f"http://{at(host, port)}"


def at(host: str, port: int) -> str:
    """Return an address as URLs write it: one of IPv6 stands in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@asynccontextmanager
async def listening(
    app: web.Application, bound: socket.socket, drain_seconds: float
) -> AsyncIterator[None]:
    """Serve `app` while the block runs.

    On leaving, no new connection is taken, requests under way have `drain_seconds` to end, and are
    then cancelled.
    """
    # The access log costs as much as the request itself; metrics and events say more.
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_log,
        shutdown_timeout=drain_seconds,
        handle_signals=False,
        max_line_size=_MAX_REQUEST_LINE,
        keepalive_timeout=_IDLE_SECONDS,
    )
    await runner.setup()
    try:
        await web.SockSite(runner, bound, backlog=_BACKLOG).start()
        yield
    finally:
        await asyncio.shield(runner.cleanup())


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"{at(host, port)} is taken by another process; stop it, or choose another port"
    return f"{at(host, port)} can't be listened on: {error.strerror or error}"
