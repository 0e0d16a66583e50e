"""Looking again and again at something that nobody's call would show."""

from collections.abc import Awaitable, Callable

import structlog

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import NexusError, UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.parts import say_how_it_is

log = structlog.get_logger()

Look = Callable[[], Awaitable[str]]
"""Returns what is amiss, in one line; empty when nothing is. Raises when that can't be told now."""

# What was mended is to be told so while somebody waits for it; a look costs a request or two.
_BETWEEN_SECONDS = 10.0


class Inspection:
    """What is to be told of a service though it does its work: of rights, of clocks.

    What is found is written to the log when it changes, whether somebody asks or not. What can't be
    told at the moment stays as it was found last.
    """

    def __init__(self, part: str, look: Look, clock: Clock) -> None:
        """Nothing is amiss until it was looked at.

        Args:
            part: what probes and the log call it.
            look: how to look; bounded in time.
            clock: for the pauses between looks.
        """
        self.part = part
        self._look = look
        self._clock = clock
        self._found = ""

    def start(self, tasks: BackgroundTasks) -> None:
        """Start looking."""
        tasks.start(f"inspect {self.part}", self._look_for_ever())

    async def check(self) -> None:
        """Return when nothing was amiss at the last look.

        Raises:
            UnavailableError: something was; says what.
        """
        if self._found:
            raise UnavailableError(self._found)

    async def _look_for_ever(self) -> None:
        while True:
            try:
                found = await self._look()
                if found != self._found:
                    self._found = found
                    say_how_it_is(self.part, found)
            except NexusError as error:
                # A server that is away is told of by what uses it.
                log.debug("inspection put off", part=self.part, error=str(error))
            except Exception:
                # It only tells of things, and is no reason to end.
                log.exception("inspection failed", part=self.part)
            await self._clock.sleep(_BETWEEN_SECONDS)
