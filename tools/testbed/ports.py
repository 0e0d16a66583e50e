"""Free ports on loopback."""

import random
import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"

# Below the ports that systems give to outgoing connections: a server that was killed must find its
# port free when it comes back, and clients that reconnect meanwhile would take it.
_PORTS = range(20_000, 32_000)


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
            # Connections of a server that is gone don't keep its port from the next one.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, port))
            except OSError:
                continue
            found.append(port)
    return tuple(found)
