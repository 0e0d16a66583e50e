"""An HTTP server that answers as a test says, where a real one can't be brought to it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Act = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def refusal(status: int, code: str, **headers: str) -> Act:
    """Return an answer as S3 words it."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said so</Message></Error>"

    async def act(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    return act


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Act:
    """Return an answer."""

    async def act(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    return act


async def hang_up(request: web.BaseRequest) -> web.Response:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def cut_off(promised: int, sent: bytes) -> Act:
    """Return an answer that ends before the length that it promises."""

    async def act(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(promised)})
        await response.prepare(request)
        await response.write(sent)
        assert request.transport is not None
        request.transport.close()
        return response

    return act


class ScriptedS3:
    """Answers requests in the order of its script, and remembers them."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.script: list[Act] = []
        self.asked: list[tuple[str, str]] = []
        """Method, and path with its query."""
        self.bodies: list[bytes] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.bodies.append(await request.content.read())
        self.asked.append((request.method, request.raw_path))
        return await self.script.pop(0)(request)


@asynccontextmanager
async def open_scripted_s3() -> AsyncIterator[ScriptedS3]:
    """Serve on a free port of loopback."""
    scripted = ScriptedS3()
    server = web.Server(scripted.handle)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    scripted.endpoint = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield scripted
    finally:
        listening.close()
        await server.shutdown(1)
