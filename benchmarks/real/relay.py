"""A relay before a server, which counts the requests that it hands on."""

import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from nexus_core.web.server import bind, listening

# Of one connection and not of a request; the length is set anew by who sends.
_OF_A_CONNECTION = frozenset(
    {"connection", "content-length", "keep-alive", "te", "transfer-encoding", "upgrade"}
)


class Relay:
    """Hands requests and answers on as they are, whole."""

    def __init__(
        self, session: aiohttp.ClientSession, server: str, tls: ssl.SSLContext | None
    ) -> None:
        self.requests: Counter[str] = Counter()
        """By method."""
        self.url = ""
        self._session = session
        self._server = server
        self._tls = tls

    async def hand_on(self, request: web.Request) -> web.Response:
        """Count a request, send it, return its answer."""
        self.requests[request.method] += 1
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in _OF_A_CONNECTION
        ]
        async with self._session.request(
            request.method,
            # As it came, since it may be signed.
            URL(self._server + request.raw_path, encoded=True),
            data=await request.read() or None,
            headers=headers,
            ssl=self._tls or True,
            allow_redirects=False,
        ) as response:
            body = await response.read()
            kept = [
                (name, value)
                for name, value in response.headers.items()
                if name.lower() not in _OF_A_CONNECTION
            ]
            return web.Response(status=response.status, body=body, headers=kept)


@asynccontextmanager
async def open_relay(server: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Relay]:
    """Listen on loopback, in plain HTTP, for one server."""
    skipped = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=skipped) as session:
        relay = Relay(session, server, tls)
        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_route("*", "/{path:.*}", relay.hand_on)
        with bind("127.0.0.1", 0) as bound:
            async with listening(app, bound, 1):
                relay.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
                yield relay
