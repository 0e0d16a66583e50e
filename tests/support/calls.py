"""Calling a service as clients do, well-behaved ones and others."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
import msgspec
from yarl import URL

from nexus_core.domain.names import RunKey

TEXT = "text/plain"
JSON = "application/json"
PROBLEM = "application/problem+json"

UNKNOWN = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001")
"""A run that there is not."""

RUN_ROUTES = (
    ("GET", "/results/{}", None),
    ("GET", "/metadata/{}", None),
    ("GET", "/buffer/{}", None),
    ("GET", "/payload/{}", None),
    ("POST", "/cancel/{}", {"initiator": "me", "reason": "test"}),
    ("POST", "/metadata/tags/{}", {"newTag": "other"}),
)
"""What all versions of the scheduler's API answer about one run: method, path, body."""


def of(key: RunKey) -> str:
    """Return the part of a path that names a run."""
    return f"{key.algorithm}/requests/{key.request_id}"


class Answer(NamedTuple):
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def fields(self) -> list[str]:
        """The fields that a problem document finds wrong."""
        return [problem["field"] for problem in self.json().get("errors", ())]


class Client:
    """Calls one service; follows no redirects, so that they are seen."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url

    async def call(self, method: str, path: str, **how: Any) -> Answer:
        """Send a request to a path, or to a whole URL; as it stands, whatever it looks like."""
        url = URL(path if path.startswith("http") else self.url + path, encoded=True)
        async with self._session.request(method, url, allow_redirects=False, **how) as response:
            body = await response.read()
            return Answer(response.status, response.content_type, response.headers, body)

    async def get(self, path: str, **how: Any) -> Answer:
        return await self.call("GET", path, **how)

    async def post(self, path: str, json: object = None, **how: Any) -> Answer:
        """Post a value as JSON, or `data` as it is."""
        if "data" not in how:
            how["json"] = json
        return await self.call("POST", path, **how)

    async def raw(self, request: bytes, until: bytes = b"") -> bytes:
        """Send bytes as they are; return what is answered.

        That is all until the connection ends, or what comes up to and with `until`.
        """
        async with self._connected() as (reader, writer), asyncio.timeout(10):
            writer.write(request)
            return await (reader.readuntil(until) if until else reader.read())

    async def send_and_leave(self, request: bytes, after: asyncio.Event | None = None) -> None:
        """Send bytes and go away without an answer, as soon as something has happened if any."""
        async with self._connected() as (_, writer):
            writer.write(request)
            await writer.drain()
            if after is not None:
                await after.wait()
            writer.transport.abort()

    @asynccontextmanager
    async def _connected(
        self,
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(self.url).port)
        try:
            yield reader, writer
        finally:
            writer.close()
