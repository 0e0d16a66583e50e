"""The gate does to connections what its tests say that it does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import uvloop

from support.gate import Gate, a_gate


class Echo(asyncio.Protocol):
    """Sends back what it gets; releases when its connection is gone."""

    def __init__(self, open_connections: asyncio.Queue[None]) -> None:
        self._open = open_connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._open.put_nowait(None)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        self._open.get_nowait()
        self._open.task_done()


def first_port_handed_out() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


@asynccontextmanager
async def a_gate_to_an_echo() -> AsyncIterator[Gate]:
    """Give a gate to a server that sends back what it gets."""
    connections: asyncio.Queue[None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    async with await loop.create_server(lambda: Echo(connections), "127.0.0.1", 0) as server:
        address: tuple[str, int] = server.sockets[0].getsockname()
        async with a_gate(*address) as gate:
            yield gate
        await connections.join()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    async with a_gate_to_an_echo() as gate:
        yield gate


class Visitor:
    """A client, by plain calls of the system."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._socket = socket.socket()
        self._socket.setblocking(False)

    async def enter(self) -> None:
        await asyncio.get_running_loop().sock_connect(
            self._socket, (self._gate.host, self._gate.port)
        )

    async def say(self, words: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._socket, words)

    async def hear(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, 1000)

    def leave(self) -> None:
        self._socket.close()


async def test_an_open_gate_passes_on(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    await visitor.say(b"hello")
    assert await visitor.hear() == b"hello"
    visitor.leave()


async def test_a_shut_gate_cuts_and_refuses_until_it_is_opened(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    await visitor.say(b"hello")
    await visitor.hear()
    gate.shut()
    assert await visitor.hear() == b""
    visitor.leave()
    late = Visitor(gate)
    with pytest.raises(ConnectionRefusedError):
        await late.enter()
    late.leave()

    await gate.open()
    again = Visitor(gate)
    await again.enter()
    await again.say(b"again")
    assert await again.hear() == b"again"
    again.leave()


async def test_a_stuck_gate_passes_on_once_it_is_opened(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    gate.stick()
    await visitor.say(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(visitor.hear(), 0.05)
    await gate.open()
    assert await visitor.hear() == b"hello"
    visitor.leave()


async def test_a_deaf_gate_lets_requests_through_and_no_answer(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    await visitor.say(b"a")
    await visitor.hear()
    gate.answer_nobody()
    before = gate.passed_on
    await visitor.say(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(visitor.hear(), 0.05)
    assert gate.passed_on == before + len(b"hello")
    await gate.open()
    assert await visitor.hear() == b"hello"
    visitor.leave()


async def test_a_slow_gate_answers_later_and_in_order(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    gate.dawdle(0.1)
    began = asyncio.get_running_loop().time()
    await visitor.say(b"one")
    assert await visitor.hear() == b"one"
    assert asyncio.get_running_loop().time() - began >= 0.1
    await visitor.say(b"two")
    await asyncio.sleep(0.05)
    await gate.open()
    await visitor.say(b"three")
    heard = b""
    while heard != b"twothree":
        heard += await asyncio.wait_for(visitor.hear(), 5)
    visitor.leave()


async def test_an_empty_handed_gate_takes_connections_and_ends_them(gate: Gate) -> None:
    visitor = Visitor(gate)
    await visitor.enter()
    gate.hang_up()
    assert await visitor.hear() == b""
    visitor.leave()
    late = Visitor(gate)
    await late.enter()
    assert await late.hear() == b""
    late.leave()


async def test_its_port_is_none_that_the_system_hands_out(gate: Gate) -> None:
    # Else somebody's connection could have it while the gate is shut, and it would never open.
    assert gate.port < first_port_handed_out()


def test_uvloop_which_reads_on_for_a_moment_loses_nothing_in_it() -> None:
    async def ask(visitor: Visitor, words: bytes) -> bytes:
        await visitor.enter()
        await visitor.say(words)
        return await visitor.hear()

    async def visit() -> None:
        async with asyncio.timeout(5), a_gate_to_an_echo() as gate:
            visitors = [Visitor(gate) for _ in range(20)]
            gate.stick()
            answers = [asyncio.create_task(ask(one, b"hello"), name="ask") for one in visitors]
            await asyncio.wait(answers, timeout=0.05)
            assert not any(answer.done() for answer in answers)
            await gate.open()
            assert set(await asyncio.gather(*answers)) == {b"hello"}
            for visitor in visitors:
                visitor.leave()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(visit())
