"""Taking turns: a service, and those who send the same to a server alone."""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.load import Load
from benchmarks.real.cpu import LOAD, Components, Machine, Times

Prepare = Callable[[int], Awaitable[Callable[[], Awaitable[Load]]]]
"""Makes so many operations ready, which is not measured; returns what is."""


class Length(NamedTuple):
    """How long a turn is."""

    seconds: float
    """About."""
    least: int
    """Operations; the first turn, which only warms up, has so many."""
    most: int


class Turn(NamedTuple):
    """What was measured in one."""

    load: Load
    cpu: Times
    """Seconds an operation, by component."""
    others: float
    """The share of the machine that was used by what has no part in it."""


@dataclass
class Contestant:
    """Who takes turns."""

    name: str
    prepare: Prepare
    turns: list[Turn] = field(default_factory=list)
    operations: int = 0
    """A turn."""

    @property
    def rates(self) -> list[float]:
        """Operations a second, in each turn."""
        return [turn.load.rate for turn in self.turns]

    @property
    def rate(self) -> float:
        """The median of them."""
        return statistics.median(self.rates)

    def percentile(self, percent: int) -> float:
        """Return milliseconds, the median of all turns' percentiles."""
        return statistics.median(turn.load.percentile(percent) for turn in self.turns) * 1e3

    def cpu(self, component: str) -> float:
        """Return microseconds of CPU an operation, the median of all turns."""
        return statistics.median(turn.cpu.get(component, 0.0) for turn in self.turns) * 1e6

    @property
    def components(self) -> set[str]:
        """All that used any, but for the load."""
        return {name for turn in self.turns for name in turn.cpu if self.cpu(name) >= 1} - {LOAD}


async def take_turns(
    contestants: Sequence[Contestant], components: Components, rounds: int, length: Length
) -> None:
    """Let all take their turns, round after round; the first round only warms up."""
    for contestant in contestants:
        contestant.operations = length.least
        turn = await _turn(contestant, components)
        wanted = int(turn.load.rate * length.seconds)
        contestant.operations = min(max(wanted, length.least), length.most)
    for _ in range(rounds):
        for contestant in contestants:
            contestant.turns.append(await _turn(contestant, components))


async def _turn(contestant: Contestant, components: Components) -> Turn:
    run = await contestant.prepare(contestant.operations)
    machine, before, began = Machine(), components.times(), time.perf_counter()
    load = await run()
    after, seconds = components.times(), time.perf_counter() - began
    used = {name: after[name] - before[name] for name in before}
    others = machine.share_of_others(list(used.values()), seconds)
    return Turn(load, {name: spent / load.answers for name, spent in used.items()}, others)


def share(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of the rounds' own shares."""
    return statistics.median(one / other for one, other in zip(mine, theirs, strict=True))


def together(contestants: Iterable[Contestant]) -> list[float]:
    """Return, for each round, the rate of servers that share the cores they had alone."""
    rates = zip(*(contestant.rates for contestant in contestants), strict=True)
    return [1 / sum(1 / rate for rate in round_) for round_ in rates]
