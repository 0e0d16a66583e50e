"""What is done to the services: a pure function of the seed."""

import random
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from chaos.control import Mode, Trouble


class Act(StrEnum):
    """What is done to a target."""

    KILL = "kill -9"
    """And it is started again after a while."""
    STOP = "SIGTERM"
    """Likewise."""
    FREEZE = "SIGSTOP"
    """And SIGCONT after a while."""
    CUT = "cut"
    """All connections through a gate are cut, and others refused for a while."""
    STICK = "hang"
    """Nothing passes a gate for a while; connections stay."""
    JUMP = "clock jump"
    """The wall clock of a service is wrong for a while."""
    TROUBLE = "trouble"
    """A part of a service behaves badly for a while."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is done to one target."""

    at: float
    """In seconds from the beginning."""
    act: Act
    target: str
    """A service or a gate."""
    lasts: float
    """In seconds."""
    jump: float = 0.0
    """How far the clock jumps, in seconds."""
    part: str = ""
    """Which part of the service is in trouble."""
    trouble: Trouble | None = None

    def __str__(self) -> str:
        more = ""
        if self.act is Act.JUMP:
            more = f" by {self.jump:+.0f} s"
        elif self.trouble is not None:
            more = f": {self.part} {self.trouble.mode} ({self.trouble.share:.0%})"
        return f"{self.at:7.1f} s  {self.act} {self.target}{more} for {self.lasts:.1f} s"


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What there is in a world that something can be done to."""

    services: tuple[str, ...]
    """Each is a process."""
    gates: tuple[str, ...]
    """Each lies before a server."""
    parts: dict[str, tuple[str, ...]]
    """By service, the parts that can be in trouble; those with none have no clock to set either."""
    lease: float
    """The longest lease, in seconds: who is frozen is so for longer."""


# How long a service takes to be there again, beyond the time for which it is down.
_START = 4.0

# Far beyond every lease and grace of a world, far within the life of URLs and deadlines.
_LONGEST_JUMP = 25.0


def make_deeds(seed: int, seconds: float, targets: Targets) -> tuple[Deed, ...]:
    """Return what is done in so many seconds, in order of time."""
    dice = random.Random(f"deeds {seed}")  # noqa: S311 - no secret
    deeds = [
        *_deaths(dice, seconds, targets),
        *_freezes(dice, seconds, targets),
        *_gates(dice, seconds, targets),
        *_jumps(dice, seconds, targets),
        *_troubles(dice, seconds, targets),
    ]
    return tuple(sorted(deeds, key=lambda deed: deed.at))


def _times(dice: random.Random, seconds: float, least: float, most: float) -> Iterator[float]:
    """Go through times with so many seconds between two; evenly, so that seeds are alike."""
    at = dice.uniform(0, most)
    while at < seconds:
        yield round(at, 2)
        at += dice.uniform(least, most)


def _deaths(dice: random.Random, seconds: float, targets: Targets) -> Iterator[Deed]:
    """Mostly kills, and some stops in order. A service that is down can't be killed."""
    down: dict[str, float] = {}
    for at in _times(dice, seconds, 4.5, 9.0):
        up = [name for name in targets.services if down.get(name, 0.0) <= at]
        act = dice.choices([Act.KILL, Act.STOP], [7, 1])[0]
        # Now and then for longer than its lease, so that others take over what it had.
        lasts = round(dice.choice([0.0, dice.uniform(0, 2), dice.uniform(1, 3) * targets.lease]), 2)
        if up:
            target = dice.choice(up)
            down[target] = at + lasts + _START
            yield Deed(at=at, act=act, target=target, lasts=lasts)


def _freezes(dice: random.Random, seconds: float, targets: Targets) -> Iterator[Deed]:
    for at in _times(dice, seconds, 8.0, 20.0):
        lasts = round(targets.lease * dice.uniform(1.2, 2.5), 2)
        yield Deed(at=at, act=Act.FREEZE, target=dice.choice(targets.services), lasts=lasts)


def _gates(dice: random.Random, seconds: float, targets: Targets) -> Iterator[Deed]:
    for at in _times(dice, seconds, 3.0, 12.0):
        act = dice.choice([Act.CUT, Act.STICK])
        # A cut of no time leaves everybody without an answer, and the server there.
        lasts = round(dice.choice([0.0, dice.uniform(0.5, 4)]) if act is Act.CUT else 3.0, 2)
        yield Deed(at=at, act=act, target=dice.choice(targets.gates), lasts=lasts)


def _jumps(dice: random.Random, seconds: float, targets: Targets) -> Iterator[Deed]:
    for at in _times(dice, seconds, 10.0, 25.0):
        jump = dice.choice([-1, 1]) * dice.uniform(targets.lease, _LONGEST_JUMP)
        target = dice.choice(list(targets.parts))
        lasts = round(dice.uniform(3, 10), 2)
        yield Deed(at=at, act=Act.JUMP, target=target, lasts=lasts, jump=round(jump, 1))


def _troubles(dice: random.Random, seconds: float, targets: Targets) -> Iterator[Deed]:
    for at in _times(dice, seconds, 3.0, 9.0):
        target = dice.choice([name for name, parts in targets.parts.items() if parts])
        part = dice.choice(targets.parts[target])
        yield Deed(
            at=at,
            act=Act.TROUBLE,
            target=target,
            lasts=round(dice.uniform(1, 8), 2),
            part=part,
            trouble=_trouble(dice, part),
        )


def _trouble(dice: random.Random, part: str) -> Trouble:
    modes = [Mode.REFUSES, Mode.SLOW, Mode.LATE, Mode.DOUBLES]
    if part == "callback":
        modes = [Mode.DROPS, Mode.DOUBLES]
    share = dice.choice([0.1, 0.5, 1.0])
    return Trouble(mode=dice.choice(modes), share=share, delay=round(dice.uniform(0.2, 2), 2))
