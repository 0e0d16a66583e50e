"""Deeds that overlap: what is over first must not put right what the other still does."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from chaos.control import Mode, Trouble
from chaos.deeds import Act, Deed, Targets
from chaos.mischief import Mischief


@dataclass
class FakeService:
    """Remembers how it is."""

    name: str
    up: bool = True
    frozen: bool = False
    clock: float = 0.0
    troubles: dict[str, Trouble | None] = field(default_factory=dict)

    def start(self) -> None:
        self.up = True

    async def kill(self) -> None:
        self.up = False

    async def stop(self) -> None:
        self.up = False

    def freeze(self) -> None:
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False

    def set_clock(self, offset: float) -> None:
        self.clock = offset

    def set_trouble(self, part: str, trouble: Trouble | None) -> None:
        self.troubles[part] = trouble


@dataclass
class FakeGate:
    state: str = "open"

    def shut(self) -> None:
        self.state = "shut"

    def stick(self) -> None:
        self.state = "stuck"

    async def open(self) -> None:
        self.state = "open"


class FakeWorld:
    def __init__(self) -> None:
        self.services = {"receiver": FakeService("receiver")}
        self.gates = {"receiver": FakeGate()}
        self.targets = Targets(
            services=("receiver",),
            gates=("receiver",),
            parts={"receiver": ("store",)},
            lease=3.0,
        )


@dataclass
class Upheaval:
    world: FakeWorld
    mischief: Mischief

    @property
    def service(self) -> FakeService:
        return self.world.services["receiver"]

    @property
    def gate(self) -> FakeGate:
        return self.world.gates["receiver"]


@pytest.fixture
def upheaval() -> Upheaval:
    world = FakeWorld()
    return Upheaval(world, Mischief(cast("Any", world)))


def a_deed(act: Act, lasts: float, **more: Any) -> Deed:
    return Deed(at=0, act=act, target="receiver", lasts=lasts, **more)


@asynccontextmanager
async def both(upheaval: Upheaval, first: Deed, second: Deed) -> AsyncIterator[None]:
    """Do two things at once; yield when the first is over, and the second is not."""
    long = asyncio.create_task(upheaval.mischief.do(1, first))
    await asyncio.sleep(0)
    await upheaval.mischief.do(2, second)
    yield
    await long


async def test_a_service_that_two_deeds_ended_is_down_until_both_are_over(
    upheaval: Upheaval,
) -> None:
    async with both(upheaval, a_deed(Act.KILL, 0.1), a_deed(Act.STOP, 0.0)):
        between = upheaval.service.up
    assert (between, upheaval.service.up) == (False, True)
    assert upheaval.mischief.done == {Act.KILL: 1}


async def test_a_gate_that_two_deeds_closed_is_closed_until_both_are_over(
    upheaval: Upheaval,
) -> None:
    async with both(upheaval, a_deed(Act.CUT, 0.1), a_deed(Act.STICK, 0.0)):
        between = upheaval.gate.state
    assert (between, upheaval.gate.state) == ("stuck", "open")


async def test_the_deed_that_came_last_says_how_a_part_behaves(upheaval: Upheaval) -> None:
    slow, late = (Trouble(mode=mode, share=1.0) for mode in (Mode.SLOW, Mode.LATE))
    first = a_deed(Act.TROUBLE, 0.0, part="store", trouble=slow)
    second = a_deed(Act.TROUBLE, 0.1, part="store", trouble=late)
    short = asyncio.create_task(upheaval.mischief.do(1, first))
    long = asyncio.create_task(upheaval.mischief.do(2, second))
    await short
    assert upheaval.service.troubles == {"store": late}
    await long
    assert upheaval.service.troubles == {"store": None}


async def test_in_the_end_all_is_right(upheaval: Upheaval) -> None:
    service = upheaval.service
    service.up, service.frozen, service.clock = False, True, 9.0
    service.troubles["store"] = Trouble(mode=Mode.SLOW, share=1.0)
    upheaval.mischief.put_right()
    assert (service.up, service.frozen, service.clock) == (True, False, 0.0)
    assert service.troubles == {"store": None}
