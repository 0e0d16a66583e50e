import contextlib
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any

import pytest

from nexus_core.domain.errors import UnavailableError
from support.exploring import Budget, Calls, Event, Turns, ViolationError, explore


class Register:
    """A number that a server holds."""

    def __init__(self) -> None:
        self.value = 0

    def read(self) -> int:
        return self.value

    def write(self, value: int) -> None:
        self.value = value

    def compare_and_set(self, expected: int, value: int) -> bool:
        if self.value != expected:
            return False
        self.value = value
        return True


class Counting:
    """Two who count on one register."""

    wanted = range(3)

    def __init__(self, turns: Turns, count: Callable[[Any], Awaitable[None]]) -> None:
        self.register = Register()
        calls = Calls(self.register, turns)
        self.actors: Mapping[str, Callable[[], Awaitable[object]]] = {
            name: lambda: count(calls) for name in ("one", "other")
        }

    def state(self) -> Hashable:
        return self.register.value

    def outcome(self) -> Hashable:
        return self.register.value

    def events(self) -> list[Event]:
        return []

    def may_begin(self, _: str) -> bool:
        return True

    def check(self) -> None:
        assert self.register.value in self.wanted

    async def end(self) -> None:
        pass


class BothCount(Counting):
    """Likewise, and nothing may get lost."""

    async def end(self) -> None:
        assert self.register.value == 2, f"counted {self.register.value}"


async def carelessly(register: Any) -> None:
    value = await register.read()
    await register.write(value + 1)


async def carefully(register: Any) -> None:
    while True:
        value = await register.read()
        if await register.compare_and_set(value, value + 1):
            return


async def stubbornly(register: Any) -> None:
    """Count again when it is unknown whether that was done."""
    value = await register.read()
    try:
        await register.compare_and_set(value, value + 1)
    except UnavailableError:
        await carefully(register)


def test_a_lost_update_is_found_and_the_steps_to_it_are_told() -> None:
    with pytest.raises(ViolationError, match="counted 1") as violation:
        explore(lambda turns: BothCount(turns, carelessly))

    steps = str(violation.value)
    assert steps.index("one: read") < steps.index("other: write")
    assert steps.index("other: read") < steps.index("one: write")


def test_what_is_right_in_every_order_is_gone_through_to_the_end() -> None:
    found = explore(lambda turns: BothCount(turns, carefully))

    assert found.endings == {2}
    assert found.states > 10


def test_a_death_may_come_before_each_call_and_after_it() -> None:
    found = explore(lambda turns: Counting(turns, carefully), Budget(deaths=1))

    assert found.endings == {1, 2}


@pytest.mark.parametrize(("budget", "endings"), [({"refusals": 1}, {1, 2}), ({"losses": 1}, {2})])
def test_a_call_that_fails_happens_or_does_not(
    budget: dict[str, int], endings: set[Hashable]
) -> None:
    found = explore(lambda turns: Counting(turns, carefully), Budget(**budget))

    assert found.endings >= endings - {0}


def test_an_answer_that_gets_lost_may_be_counted_twice() -> None:
    with pytest.raises(ViolationError, match="its answer is lost"):
        explore(lambda turns: Counting(turns, stubbornly), Budget(losses=1))


def test_an_actor_that_breaks_is_a_violation() -> None:
    async def break_down(register: Any) -> None:
        await register.read()
        raise ValueError("a mistake of ours")

    with pytest.raises(ViolationError, match="a mistake of ours"):
        explore(lambda turns: Counting(turns, break_down))


def test_a_call_that_no_part_has_is_a_violation_though_who_asked_goes_on() -> None:
    async def ask_in_vain(register: Any) -> None:
        with contextlib.suppress(AttributeError):
            await register.increment()

    with pytest.raises(ViolationError, match="no such calls"):
        explore(lambda turns: Counting(turns, ask_in_vain))
