"""Load: so many clients, each with one request under way, on connections that stay open."""

import asyncio
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import NamedTuple, cast

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Load(NamedTuple):
    """What a stretch of load came to."""

    answers: int
    seconds: float
    statuses: dict[int, int]
    latencies: list[float]
    """Seconds from each request to its answer."""

    @property
    def rate(self) -> float:
        return self.answers / self.seconds

    def percentile(self, percent: int) -> float:
        """Return the seconds within which so many of a hundred answers came."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]


class _Client(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered.

    By hand, since any client library costs more than the server that it is to load.
    """

    def __init__(
        self, requests: Iterator[bytes], statuses: dict[int, int], latencies: list[float]
    ) -> None:
        self._requests = requests
        self._statuses = statuses
        self._latencies = latencies
        self._sent_at = 0.0
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self.stopped = asyncio.get_running_loop().create_future()
        self.stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A check would not do: uvloop's transports derive from none of asyncio's classes.
        self._transport = cast("asyncio.WriteTransport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(_END_OF_HEAD)
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        self._buffer = b""
        self._latencies.append(time.perf_counter() - self._sent_at)
        status = int(head[9:12])
        self._statuses[status] = self._statuses.get(status, 0) + 1
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.stopped.done():
            self.stopped.set_result(None)

    def _send(self) -> None:
        assert self._transport is not None
        request = None if self.stopping else next(self._requests, None)
        if request is None:
            self._transport.close()
        else:
            self._sent_at = time.perf_counter()
            self._transport.write(request)


def post(path: str, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def drive(port: int, requests: Iterator[bytes], clients: int, seconds: float) -> Load:
    """Load a server of this machine until the time or the requests are over."""
    statuses: dict[int, int] = {}
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    connected = [
        await loop.create_connection(
            lambda: _Client(requests, statuses, latencies), "127.0.0.1", port
        )
        for _ in range(clients)
    ]
    await asyncio.wait([client.stopped for _, client in connected], timeout=seconds)
    took = time.perf_counter() - began
    answers = sum(statuses.values())
    for _, client in connected:
        client.stopping = True
    await asyncio.wait([client.stopped for _, client in connected], timeout=30)
    return Load(answers, took, statuses, latencies[:answers])
