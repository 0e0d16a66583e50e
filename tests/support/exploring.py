"""Runs real code in every order in which the calls of those who act at once can reach a server.

Who acts is a coroutine of the real thing. Each call of a port waits for its turn; an explorer hands
the turns out, one at a time, in every order there is. It may also let a call fail, let its answer
get lost or come late, and let who acts die. Between two turns all run on as far as they can, so a
state of the whole is: what the servers hold, and what each has heard so far. States that were seen
are not gone through again, which makes the exploration end, and exhaustive up to its budgets.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple, Protocol

from nexus_core.domain.errors import NexusError, UnavailableError

_ACTOR: ContextVar[str] = ContextVar("_ACTOR", default="")


class Fate(StrEnum):
    """What becomes of a call."""

    HAPPENS = "happens"
    REFUSED = "is refused"
    """Nothing happens, and who called is told so."""
    LOST = "happens, its answer is lost"
    LATE = "happens, its answer is late"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How often what is out of the ordinary may happen in one course of events."""

    deaths: int = 0
    refusals: int = 0
    losses: int = 0
    delays: int = 0


class Call(NamedTuple):
    """A call on its way to a server, or an answer on its way back."""

    actor: str
    name: str
    go: asyncio.Future[Fate]
    is_answer: bool = False

    def __str__(self) -> str:
        return f"{self.actor}: {'answer to ' if self.is_answer else ''}{self.name}"


class Turns:
    """Where calls wait for their turns, and what each actor has heard."""

    def __init__(self) -> None:
        self.waiting: list[Call] = []
        self.heard: dict[str, tuple[Hashable, ...]] = {}
        self.dead: set[str] = set()
        self.missing: set[str] = set()
        """Calls that were asked for, and that the parts do not have."""
        self.is_over = False
        """Whether calls go through without a turn."""
        # By identity, with what keeps that identity from being another's.
        self._texts: dict[int, tuple[object, str]] = {}

    async def take(self, name: str, act: Callable[[], Any]) -> Any:
        """Wait for the turn of a call, let it happen, and return or raise what it answers."""
        if self.is_over:
            await asyncio.sleep(0)
            return act()
        fate = await self._wait(name)
        if fate is Fate.REFUSED:
            self.hear(name, fate)
            raise UnavailableError(f"{name} was refused")
        try:
            answer = act()
        except NexusError as error:
            self.hear(name, str(error))
            raise
        if fate is Fate.LATE:
            await self._wait(name, is_answer=True)
        if fate is Fate.LOST:
            self.hear(name, fate)
            raise UnavailableError(f"the answer to {name} was lost")
        self.hear(name, self._written(answer))
        return answer

    def _written(self, answer: object) -> str:
        """Return an answer as text; the same record is read again and again, and long."""
        if id(answer) not in self._texts:
            self._texts[id(answer)] = (answer, repr(answer))
        return self._texts[id(answer)][1]

    def hear(self, *what: Hashable) -> None:
        """Note what the actor that runs now has learnt: it decides by nothing else."""
        if actor := _ACTOR.get():
            self.heard[actor] = (*self.heard.get(actor, ()), what)

    async def _wait(self, name: str, *, is_answer: bool = False) -> Fate:
        actor = _ACTOR.get()
        if actor in self.dead:
            # Tasks of a dead process are cancelled when all is over; what they would still do
            # on their way out never happens.
            raise asyncio.CancelledError
        call = Call(actor, name, asyncio.get_running_loop().create_future(), is_answer)
        self.waiting.append(call)
        return await call.go


Event = tuple[str, Callable[[], None]]
"""Something that happens by itself: what it is, and what lets it happen."""


class Play(Protocol):
    """A world in some state, and those who act in it. Made anew for each course of events."""

    @property
    def actors(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """What each does, once. Errors of ours end it quietly: somebody else goes on."""

    def state(self) -> Hashable:
        """Return all that the servers hold."""

    def events(self) -> Sequence[Event]:
        """Return what may happen by itself now, such as the end of a process."""

    def outcome(self) -> Hashable:
        """Return what came of it so far, to be told of in `Explored.endings`."""

    def may_begin(self, actor: str, /) -> bool:
        """Tell whether an actor that has done nothing yet may begin now."""

    def check(self) -> None:
        """Raise `AssertionError` when something is wrong that never may be, not for a moment."""

    async def end(self) -> None:
        """Let those who are left do their work in peace, and check what came of it all."""


@dataclass
class Explored:
    """What an exploration has seen."""

    states: int = 0
    courses: int = 0
    """Courses of events that were followed to an end of their own."""
    endings: set[Hashable] = field(default_factory=set)
    """What came of them."""


class ViolationError(AssertionError):
    """A course of events led to something that must not be."""

    def __init__(self, course: Sequence[str], error: BaseException) -> None:
        steps = "\n".join(f"  {number:2}. {step}" for number, step in enumerate(course, 1))
        super().__init__(f"{type(error).__name__}: {error}\nafter\n{steps}")


class Option(NamedTuple):
    """One way in which it may go on."""

    what: str
    do: Callable[[], None]
    budget: Budget


def explore(make: Callable[[Turns], Play], budget: Budget | None = None) -> Explored:
    """Go through all courses of events, depth first.

    Raises:
        ViolationError: in one of them a check failed; it names the steps that led there.
    """
    explored, seen = Explored(), set[Hashable]()
    todo: list[tuple[int, ...]] = [()]
    quiet = _QuietSelector()

    async def follow_all() -> None:
        while todo:
            course = _Course(make, todo.pop(), budget or Budget(), seen, quiet)
            todo.extend(await course.follow())
            if course.ended:
                explored.courses += 1
                explored.endings.add(course.ending)

    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(quiet)) as runner:
        runner.run(follow_all())
    explored.states = len(seen)
    return explored


class _Course:
    """One course of events: a prefix that leads to a state not seen yet, and on from there."""

    def __init__(
        self,
        make: Callable[[Turns], Play],
        prefix: tuple[int, ...],
        budget: Budget,
        seen: set[Hashable],
        quiet: "_QuietSelector",
    ) -> None:
        self._turns = Turns()
        self._play = make(self._turns)
        self._prefix = prefix
        self._budget = budget
        self._seen = seen
        self._quiet = quiet
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.steps: list[str] = []
        self.ended = False
        self.ending: Hashable = None

    async def follow(self) -> list[tuple[int, ...]]:
        """Follow it to its end or to a state that was seen; return where it could have forked."""
        forks: list[tuple[int, ...]] = []
        taken: list[int] = []
        self._tasks = {name: self._start(name) for name in self._play.actors}
        try:
            while True:
                await self._quiet.wait()
                self._check()
                new = len(taken) >= len(self._prefix)
                if new and self._was_seen():
                    break
                options = self._options()
                if not options:
                    self.ending = self._play.outcome()
                    await self._finish()
                    break
                choice = 0 if new else self._prefix[len(taken)]
                if new:
                    forks += [(*taken, other) for other in range(1, len(options))]
                taken.append(choice)
                self._take(options[choice])
        except (AssertionError, ExceptionGroup) as error:
            raise ViolationError(self.steps, error) from error
        finally:
            await self._clear()
        return forks

    def _start(self, name: str) -> asyncio.Task[None]:
        async def act() -> None:
            _ACTOR.set(name)
            await self._turns.take("begins", lambda: None)
            with suppress(NexusError):
                await self._play.actors[name]()

        return asyncio.create_task(act(), name=name)

    def _take(self, option: Option) -> None:
        self.steps.append(option.what)
        self._budget = option.budget
        option.do()

    def _was_seen(self) -> bool:
        waiting = self._turns.waiting
        # Who waits for nothing has done its part, or is dead: what it knew matters no more.
        heard = {call.actor: self._turns.heard.get(call.actor) for call in waiting}
        state = (
            self._play.state(),
            tuple(sorted(heard.items())),
            tuple(sorted((call.actor, call.name, call.is_answer) for call in waiting)),
            self._budget,
        )
        if state in self._seen:
            return True
        self._seen.add(state)
        return False

    def _options(self) -> list[Option]:
        options = [Option(what, do, self._budget) for what, do in self._play.events()]
        for call in self._turns.waiting:
            if call.name != "begins" or self._play.may_begin(call.actor):
                options += self._ways_of(call)
        return options

    def _ways_of(self, call: Call) -> list[Option]:
        """Return what may become of a call, the ordinary first."""
        left = self._budget
        ways = [Option(str(call), partial(self._grant, call, Fate.HAPPENS), left)]
        if call.name == "begins":
            return ways
        if left.deaths:
            poorer = replace(left, deaths=left.deaths - 1)
            ways.append(Option(f"{call}, dies before", partial(self._kill, call), poorer))
            if not call.is_answer:
                ways.append(Option(f"{call}, dies after", partial(self._kill_after, call), poorer))
        if call.is_answer:
            return ways
        if left.delays:
            poorer = replace(left, delays=left.delays - 1)
            ways.append(self._way(call, Fate.LATE, poorer))
        if left.losses:
            poorer = replace(left, losses=left.losses - 1)
            ways.append(self._way(call, Fate.LOST, poorer))
        if left.refusals:
            poorer = replace(left, refusals=left.refusals - 1)
            ways.append(self._way(call, Fate.REFUSED, poorer))
        return ways

    def _way(self, call: Call, fate: Fate, left: Budget) -> Option:
        return Option(f"{call} {fate}", partial(self._grant, call, fate), left)

    def _grant(self, call: Call, fate: Fate) -> None:
        self._turns.waiting.remove(call)
        call.go.set_result(fate)

    def _kill(self, call: Call) -> None:
        """Let a process end as `kill -9` ends it: none of its calls goes on, nothing is tidied."""
        self._turns.dead.add(call.actor)
        self._turns.waiting = [one for one in self._turns.waiting if one.actor != call.actor]

    def _kill_after(self, call: Call) -> None:
        """Likewise, once the call has happened: nobody hears its answer."""
        self._kill(call)
        call.go.set_result(Fate.LATE)

    async def _finish(self) -> None:
        self.ended = True
        self._turns.is_over = True
        await self._play.end()
        self._check()

    def _check(self) -> None:
        assert not self._turns.missing, f"no such calls: {self._turns.missing}"
        self._play.check()

    async def _clear(self) -> None:
        self._turns.dead |= set(self._tasks)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.wait(self._tasks.values())
        for name, task in self._tasks.items():
            if not task.cancelled() and (error := task.exception()) is not None:
                raise ViolationError([*self.steps, f"{name} broke"], error) from error


class _QuietSelector(selectors.DefaultSelector):
    """Tells when a loop has nothing more to do: then all wait for their turns."""

    _waiter: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until everything else waits."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout != 0 and self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
            return []
        found: list[Any] = super().select(timeout)
        return found


class Calls:
    """A part whose plain methods are made calls: each waits for its turn, and then happens."""

    def __init__(self, part: Any, turns: Turns) -> None:
        self.part = part
        self._turns = turns

    def call(self, name: str, *arguments: Any, **more: Any) -> Awaitable[Any]:
        """Call a method by its name."""
        return self._turns.take(name, partial(getattr(self.part, name), *arguments, **more))

    def __getattr__(self, name: str) -> Any:
        if not hasattr(self.part, name):
            # Who asks may take this for one of many faults, and go on.
            self._turns.missing.add(name)
        return partial(self.call, name)


def at_once(part: Any) -> Any:
    """Return a part whose plain methods are made calls that wait for nothing."""
    turns = Turns()
    turns.is_over = True
    return Calls(part, turns)
