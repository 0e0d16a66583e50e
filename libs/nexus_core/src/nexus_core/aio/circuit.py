"""Whether a part is called at all: not for a while, after it failed several times in a row."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from types import TracebackType

import msgspec
import structlog

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.wake import woken
from nexus_core.domain.errors import HeldUpError, NexusError, NotNowError, UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.news import News

log = structlog.get_logger()

# How long the part has to answer whoever only asks whether it is there, in seconds.
_PING_SECONDS = 2.0
# After a failure it is asked whether that was all, this soon; and never more often than that.
_SOON_SECONDS = 0.5
# A circuit that opens again this soon after it closed goes on with the longer pauses: what is asked
# then seems to be well, and what is called is not.
_WELL_SECONDS = 30.0


class CircuitState(StrEnum):
    """Whether a part is called."""

    CLOSED = "closed"
    """It is."""
    OPEN = "open"
    """It is not, until it is asked again."""
    HALF_OPEN = "half-open"
    """It is being asked, by one call."""


class CircuitPace(msgspec.Struct, frozen=True, kw_only=True):
    """When a circuit opens and closes; times in seconds."""

    failures: int = 3
    """So many in a row open it. The very first call of all opens it alone, if it fails."""
    first_pause: float = 1.0
    """Until it is asked again; doubles, and is shortened at random."""
    longest_pause: float = 10.0
    heartbeat: float = 5.0
    """It is asked when nothing was heard from it for so long: calls that nobody answers may hang,
    and they may be large."""


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """How a circuit is now, for who looks at it."""

    state: CircuitState
    reason: str = ""
    """Why it is not closed."""
    since: datetime | None = None
    """When it opened."""
    next_try: datetime | None = None
    """When the part is asked next."""


class CircuitOpenError(UnavailableError):
    """The part was not called, since it is known to be away: nothing has happened."""


class Circuit:
    """What all calls of one part go through.

    A refusal is an answer: it shows that the part can be reached, and is no failure. Failures in
    a row open the circuit; then nothing is called, and one task, `keep_asking`, asks by the
    cheapest call there is. Its success closes the circuit. So nobody's run is what is tried with,
    and thousands that wait cost the part nothing.
    """

    def __init__(self, part: str, clock: Clock, pace: CircuitPace | None = None) -> None:
        """Begin closed.

        Args:
            part: what it is called in the log and in probes, such as `cluster europe`.
            clock: measures pauses.
            pace: when it opens and closes.
        """
        self.part = part
        self.openings = 0
        """How often it has opened; who kept this sees that there was an outage since."""
        self._clock = clock
        self._pace = pace or CircuitPace()
        self._backoff = Backoff(self._pace.first_pause, self._pace.longest_pause)
        self._state = CircuitState.CLOSED
        # Nothing is known of the part yet: it is asked at once, and its first failure is believed.
        self._failures_left = min(1, self._pace.failures - 1)
        self._heard_at = self._closed_at = self._ask_at = clock.monotonic()
        self._reason = ""
        self._since: datetime | None = None
        self._said = News(clock)
        self._is_said = False
        self._news = asyncio.Event()
        self._is_closed = asyncio.Event()
        self._is_closed.set()
        self._is_known = asyncio.Event()

    @property
    def condition(self) -> Condition:
        """How it is now."""
        if self._state is CircuitState.CLOSED:
            return Condition(state=self._state)
        left = max(0.0, self._ask_at - self._clock.monotonic())
        return Condition(
            state=self._state,
            reason=self._reason,
            since=self._since,
            next_try=self._clock.now() + timedelta(seconds=left),
        )

    @property
    def is_closed(self) -> bool:
        """Whether the part is called."""
        return self._state is CircuitState.CLOSED

    async def closed(self) -> None:
        """Wait until the part is called."""
        await self._is_closed.wait()

    async def known(self) -> None:
        """Wait until the part has answered or failed once: before, closed is but a hope."""
        await self._is_known.wait()

    def check(self) -> None:
        """Return when the part is called.

        Raises:
            CircuitOpenError: it is not; says why, and when to come again: not all at once.
        """
        if self._state is not CircuitState.CLOSED:
            left = max(1.0, self._ask_at - self._clock.monotonic())
            raise CircuitOpenError(
                f"{self.part} can't be used now: {self._reason}",
                retry_after=left + _spread(left),
            )

    def call(self) -> "_Call":
        """Return what is to be held, by `with`, around a call of the part.

        Entering raises `CircuitOpenError` while the part is not called.
        """
        return _Call(self, is_probe=False)

    async def keep_asking(self, ping: Callable[[], Awaitable[None]]) -> None:
        """Ask the part whenever that is due, until cancelled.

        That is at once, when the pause of an open circuit is over, soon after a failure, and when
        nothing was heard for long: so what is told of it is true though nobody calls it.
        """
        while True:
            self._news.clear()
            due_in = self._due_at() - self._clock.monotonic()
            if due_in > 0:
                await woken(self._news, due_in, self._clock)
            else:
                await self._ask(ping)

    async def _ask(self, ping: Callable[[], Awaitable[None]]) -> None:
        try:
            with _Call(self, is_probe=True):
                await _answer(ping)
        except UnavailableError:
            pass  # it is in the state

    def _due_at(self) -> float:
        is_well = self.is_closed and self._failures_left == self._pace.failures
        pause = max(self._pace.heartbeat, _SOON_SECONDS)
        return self._heard_at + pause if is_well else self._ask_at

    # What calls tell. Those that began before the circuit changed tell nothing new.

    def _begin(self, *, is_probe: bool) -> int:
        if is_probe:
            if self._state is CircuitState.OPEN:
                self._state = CircuitState.HALF_OPEN
        else:
            self.check()
        return self.openings

    def _answered(self) -> None:
        self._heard_at = self._clock.monotonic()
        self._failures_left = self._pace.failures
        self._is_known.set()
        if self._state is CircuitState.CLOSED:
            return
        self._state = CircuitState.CLOSED
        self._closed_at = self._heard_at
        self._is_closed.set()
        if self._is_said:
            self._is_said = False
            away = (self._clock.now() - self._since).total_seconds() if self._since else 0.0
            log.info("circuit closed", part=self.part, away_for=round(away, 1))

    def _failed(self, error: UnavailableError) -> None:
        self._ask_at = self._clock.monotonic() + _SOON_SECONDS
        self._failures_left -= 1
        self._news.set()
        if self._failures_left <= 0 or self._state is CircuitState.HALF_OPEN:
            self._open(error)

    def _open(self, error: UnavailableError) -> None:
        now = self._clock.monotonic()
        was_closed = self._state is CircuitState.CLOSED
        if was_closed and now - self._closed_at >= _WELL_SECONDS:
            self._backoff.reset()
            self._said.is_over()
        wish = min(error.retry_after or 0.0, self._pace.longest_pause)
        pause = max(self._backoff.next(), wish, _SOON_SECONDS)
        self._state = CircuitState.OPEN
        self._reason = str(error)
        self._ask_at = now + pause
        self._is_known.set()
        if was_closed:
            self.openings += 1
            self._since = self._clock.now()
            self._is_closed.clear()
        if self._said.is_new(self._reason):
            self._is_said = True
            log.warning("circuit opened", part=self.part, reason=self._reason, next_try_in=pause)

    def _ended(self, began: int, error: BaseException | None, *, is_probe: bool) -> None:
        if began != self.openings or (not is_probe and not self.is_closed):
            return
        if isinstance(error, HeldUpError):
            return  # nothing was sent
        if isinstance(error, UnavailableError) and _is_failure(error, is_probe=is_probe):
            self._failed(error)
        elif error is None or isinstance(error, NexusError):
            self._answered()
        elif self._state is CircuitState.HALF_OPEN:
            # Cancelled in the middle: whoever asks next may do so at once.
            self._state = CircuitState.OPEN


class _Call:
    """One call of a part. A class and no generator, since every request passes by."""

    __slots__ = ("_began", "_circuit", "_is_probe")

    def __init__(self, circuit: Circuit, *, is_probe: bool) -> None:
        self._circuit = circuit
        self._is_probe = is_probe
        self._began = 0

    def __enter__(self) -> None:
        self._began = self._circuit._begin(is_probe=self._is_probe)  # noqa: SLF001 - a part of it

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._circuit._ended(self._began, error, is_probe=self._is_probe)  # noqa: SLF001 - likewise


def _is_failure(error: UnavailableError, *, is_probe: bool) -> bool:
    """Tell whether an error says that the part is away, or of no use."""
    if not isinstance(error, NotNowError):
        return True
    # Who may not even ask, for the lack of a right, can do nothing with the part.
    return is_probe and error.retry_after is None


async def _answer(ping: Callable[[], Awaitable[None]]) -> None:
    """Wait for the answer, for so long."""
    try:
        async with asyncio.timeout(_PING_SECONDS):
            await ping()
    except TimeoutError as error:
        raise UnavailableError(f"did not answer within {_PING_SECONDS:g} s") from error
    except NexusError:
        raise
    except Exception as error:
        # A fault in an adapter: it must not end the service, nor look like an answer.
        log.exception("check failed")
        raise UnavailableError(f"its check failed: {type(error).__name__}") from error


def _spread(left: float) -> float:
    """Return some more seconds: enough that whole ones, as HTTP has them, are not all the same."""
    return random.uniform(0, max(left, 2.0))  # noqa: S311 - spreads load
