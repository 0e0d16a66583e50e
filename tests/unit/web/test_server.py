"""Where a service listens."""

import asyncio
import socket

import pytest

from nexus_core.domain.errors import UnavailableError
from nexus_core.web.server import bind, url_of


def _speaks_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _speaks_ipv6(), reason="this machine has no IPv6")


async def _is_reached(host: str, bound: socket.socket) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, bound.getsockname()[1])
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)])
async def test_it_is_reached_where_it_listens(host: str) -> None:
    with bind(host, 0) as bound:
        assert await _is_reached(host, bound)


@needs_ipv6
async def test_on_all_addresses_of_ipv6_those_of_ipv4_reach_it_too() -> None:
    with bind("::", 0) as bound:
        assert await _is_reached("::1", bound)
        assert await _is_reached("127.0.0.1", bound) == socket.has_dualstack_ipv6()


@needs_ipv6
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    with bind("::1", 0) as bound:
        port = bound.getsockname()[1]
        assert url_of(bound) == f"http://[::1]:{port}"
        with pytest.raises(UnavailableError, match=rf"^\[::1\]:{port} is taken by another process"):
            bind("::1", port)
