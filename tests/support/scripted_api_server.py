"""An HTTP server in the place of an API server, which answers as a test says.

For what a real API server does only on bad days: each answer is a function of the test's own.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import msgspec
from aiohttp import web
from aiohttp.test_utils import unused_port

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ScriptedApiServer:
    """Answers each request by the next answer in its script; the last one stays."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        """All that came in, in order."""
        self._lists: deque[Handler] = deque()
        self._streams: deque[Handler] = deque()
        self._others: deque[Handler] = deque()
        self.url = ""

    def lists(self, *answers: Handler) -> None:
        """Answer lists so, one after the other."""
        self._lists.extend(answers)

    def streams(self, *answers: Handler) -> None:
        """Answer watches so, one after the other."""
        self._streams.extend(answers)

    def answers(self, *answers: Handler) -> None:
        """Answer everything else so, one after the other."""
        self._others.extend(answers)

    def asked(self, what: str) -> list[dict[str, str]]:
        """Return the queries of all requests of a kind: `list` or `watch`."""
        return [
            dict(request.query)
            for request in self.requests
            if ("watch" in request.query) == (what == "watch")
        ]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if "watch" in request.query:
            script = self._streams
        elif self._lists and request.method == "GET":
            script = self._lists
        else:
            script = self._others
        handler = script.popleft() if len(script) > 1 else script[0]
        return await handler(request)


@asynccontextmanager
async def scripted_api_server(
    context: ssl.SSLContext | None = None, port: int = 0
) -> AsyncIterator[ScriptedApiServer]:
    """Serve on a free port of loopback, until the block is left."""
    server = ScriptedApiServer()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", server._answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    port = port or unused_port()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
        server.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        yield server
    finally:
        # Those of TLS would take leave of clients that are gone, and outlive the loop.
        for connection in runner.server.connections if runner.server else ():
            if connection.transport:
                connection.transport.abort()
        await runner.cleanup()


# Objects and events.


def an_object(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "nexus", "resourceVersion": str(version)},
        **more,
    }


def an_event(kind: str, subject: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": subject}


def a_bookmark(version: int) -> dict[str, Any]:
    return an_event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def a_status(code: int, reason: str, message: str = "", **details: Any) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message or reason,
        "reason": reason,
        "code": code,
        "details": details,
    }


# Answers.


def a_list(*objects: dict[str, Any], version: int, token: str = "") -> Handler:
    metadata = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return json_answer(200, {"metadata": metadata, "items": list(objects)})


def json_answer(status: int, body: Any, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(
            body, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )

    return answer


def a_page(status: int, text: str = "<html><body>Bad Gateway</body></html>") -> Handler:
    """What a load balancer answers in the server's place."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type="text/html")

    return answer


def a_stream(*events: dict[str, Any], goes_on: bool = False) -> Handler:
    """Tell some events; then end the answer in good order, or keep it open and silent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for event in events:
            await response.write(msgspec.json.encode(event) + b"\n")
        if goes_on:
            await asyncio.Event().wait()
        return response

    return answer


def a_cut_stream(*events: dict[str, Any], half: bytes = b'{"type": "ADD') -> Handler:
    """Tell some events, begin another one, and cut the connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for event in events:
            await response.write(msgspec.json.encode(event) + b"\n")
        await response.write(half)
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def keep_silent(_: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError
