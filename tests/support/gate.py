"""A gate on the way to a server: a test shuts it, and the server is away for those behind it."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import cast

# Below those that the system hands out: one of them would be somebody else's while a gate is shut.
_PORTS = range(10_000, 20_000)
_TRIES = 20


class Gate:
    """Passes on what comes to it, unless it is shut or stuck. Open at first.

    What one side sends faster than the other takes is kept in memory: tests send little.
    """

    def __init__(self, host: str, port: int) -> None:
        self.target = (host, port)
        self.host = "127.0.0.1"
        self.port = 0
        self.stuck = False
        self.deaf = False
        self.empty_handed = False
        self.slow_by = 0.0
        self.ends: set[_End] = set()
        self.passed_on = 0
        """Bytes, in both directions."""
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let everything through, as before."""
        self.stuck = self.deaf = self.empty_handed = False
        self.slow_by = 0.0
        for end in self.ends:
            end.go_on()
        if self._server is None:
            self._server = await self._listen()
            self.port = self._server.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        """Listen where it did before, or on a port that is free."""
        loop = asyncio.get_running_loop()
        ports = [self.port] if self.port else random.sample(_PORTS, _TRIES)
        for port in ports[:-1]:
            with contextlib.suppress(OSError):
                return await loop.create_server(lambda: _Entrance(self), self.host, port)
        return await loop.create_server(lambda: _Entrance(self), self.host, ports[-1])

    def shut(self) -> None:
        """Cut all connections and refuse others, as a server does that has died."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in self.ends:
            end.transport.abort()

    def answer_nobody(self) -> None:
        """Pass on what is asked, and no answer: all is done, and nobody hears of it in time."""
        self.deaf = True
        for end in self.ends:
            end.keep_still()

    def dawdle(self, seconds: float) -> None:
        """Pass on every answer so much later."""
        self.slow_by = seconds

    def hang_up(self) -> None:
        """Take every connection, and end it in good order without a word."""
        self.empty_handed = True
        for end in self.ends:
            end.transport.close()

    def stick(self) -> None:
        """Keep all connections and pass nothing on, as a server does that hangs."""
        self.stuck = True
        for end in self.ends:
            end.keep_still()


class _End(asyncio.Protocol):
    """One of the two ends of a connection: what comes here goes out at the other."""

    transport: asyncio.Transport

    def __init__(self, gate: Gate, other: "_End | None" = None) -> None:
        self.gate = gate
        self.other = other
        self._kept: list[bytes] = []
        """What came nevertheless while nothing was to pass: some loops read on for a moment."""
        self._last_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.gate.ends.add(self)
        self.keep_still()

    def keep_still(self) -> None:
        """Read no further, if nothing is to pass."""
        if self._must_wait() and not self.transport.is_closing():
            self.transport.pause_reading()

    def go_on(self) -> None:
        """Pass on what was kept and read on, if that may be."""
        if self._must_wait() or self.transport.is_closing():
            return
        kept, self._kept = self._kept, []
        for data in kept:
            self.data_received(data)
        self.transport.resume_reading()

    def _must_wait(self) -> bool:
        return self.gate.stuck or self.gate.deaf

    def data_received(self, data: bytes) -> None:
        if self._must_wait():
            self._kept.append(data)
            return
        loop = asyncio.get_running_loop()
        # Nothing overtakes what came before it, also once the gate is fast again.
        at = max(loop.time() + self._delay(), self._last_at + 1e-6)
        if at - loop.time() > 1e-3:
            self._last_at = at
            loop.call_at(at, self._pass_on, data)
        else:
            self._pass_on(data)

    def _delay(self) -> float:
        return self.gate.slow_by

    def _pass_on(self, data: bytes) -> None:
        if self.other is not None and not self.other.transport.is_closing():
            self.gate.passed_on += len(data)
            self.other.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self.gate.ends.discard(self)
        if self.other is not None:
            self.other.transport.close()


class _Entrance(_End):
    """The end of who comes in; connects the other one before it passes anything on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.gate.empty_handed:
            self.transport.close()
            return
        self._way = asyncio.create_task(self._connect(), name="way through the gate")

    def _must_wait(self) -> bool:
        return self.gate.stuck or self.other is None

    def _delay(self) -> float:
        return 0.0

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, self.other = await loop.create_connection(
                lambda: _End(self.gate, self), *self.gate.target
            )
        except OSError:
            self.transport.abort()
            return
        if self.transport.is_closing():
            self.other.transport.abort()
        else:
            self.go_on()


@contextlib.asynccontextmanager
async def a_gate(host: str, port: int) -> AsyncIterator[Gate]:
    """Give an open gate to a server."""
    gate = Gate(host, port)
    await gate.open()
    try:
        yield gate
    finally:
        gate.shut()
        while gate.ends:  # noqa: ASYNC110 - each leaves with one of the next turns of the loop
            await asyncio.sleep(0)
