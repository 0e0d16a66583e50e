"""Free ports on loopback."""

import asyncio
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack

from tools.testbed.errors import TestbedError

LOOPBACK = "127.0.0.1"

# Below the ports that systems give to outgoing connections: a server that was killed must find its
# port free when it comes back, and clients that reconnect meanwhile would take it.
_PORTS = range(20_000, 32_000)

# A system may take a tenth of a second to close the sockets of a process that it has ended already.
_FREE_SECONDS = 5.0
_BETWEEN_LOOKS = 0.01


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports on which nobody listened a moment ago, all of them different.

    They are not reserved. Drawn at random, so that two who ask at once hardly get the same.
    """
    found: list[int] = []
    with ExitStack() as held:
        for port in random.sample(_PORTS, len(_PORTS)):
            if len(found) == count:
                break
            listener = held.enter_context(socket.socket())
            if not _is_free(listener, port):
                continue
            found.append(port)
    return tuple(found)


async def until_free(ports: Iterable[int]) -> None:
    """Wait until whoever held ports has let go of them.

    Raises:
        TestbedError: Somebody holds one of them for good.
    """
    for port in ports:
        give_up = asyncio.get_running_loop().time() + _FREE_SECONDS
        while True:
            with socket.socket() as listener:
                if _is_free(listener, port):
                    break
            if asyncio.get_running_loop().time() >= give_up:
                raise TestbedError(f"port {port} of {LOOPBACK} is taken")
            await asyncio.sleep(_BETWEEN_LOOKS)


def _is_free(listener: socket.socket, port: int) -> bool:
    """Tell whether a port is free; then the socket holds it."""
    # Connections of a server that is gone don't keep its port from the next one.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
