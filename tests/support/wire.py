"""A wire to a server that a test cuts and mends: TCP alone, so TLS goes through it untouched."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PIECE = 64 * 1024


class Wire:
    """Forwards connections to a server of this machine. Made by `wire_to`."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._intact = True
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = 0

    def cut(self) -> None:
        """Break all connections; further ones are broken at once."""
        self._intact = False
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        """Let new connections through again."""
        self._intact = True

    async def _connected(self, near_in: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        far_in, far = await asyncio.open_connection("127.0.0.1", self._server_port)
        # It may have been cut since the connection was begun.
        if not self._intact:
            near.transport.abort()
            far.transport.abort()
            return
        self._ends |= {near, far}
        try:
            await asyncio.gather(_forward(near_in, far), _forward(far_in, near))
        finally:
            self._ends -= {near, far}


async def _forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
    target.close()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """Listen on a free port of loopback, until the block is left."""
    wire = Wire(port)
    server = await asyncio.start_server(wire._connected, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
