import asyncio
import socket

from tools.testbed.ports import LOOPBACK, free_ports, until_free


def test_ports_differ_and_can_be_listened_on() -> None:
    ports = free_ports(5)

    assert len(set(ports)) == 5
    for port in ports:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_no_outgoing_connection_is_given_such_a_port() -> None:
    # Linux gives them ports from 32768 on, others from 49152 on.
    assert max(free_ports(50)) < 32_768


async def test_waits_until_a_port_is_let_go_of() -> None:
    (port,) = free_ports(1)
    with socket.socket() as holder:
        holder.bind((LOOPBACK, port))
        waiting = asyncio.create_task(until_free([port]))
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
