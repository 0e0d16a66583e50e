"""An observer who looks at the store past all services, again and again, and keeps what changed.

Services record what they are told before they go on; one that is killed between the two did
something that only the observer sees.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.history import Ending, Recorder, Seen, now
from chaos.world import Row
from nexus_core.domain.names import RunKey

_PERIOD = 0.5


class Observer:
    """Looks at all rows; writes down each that is new, has changed, or is gone."""

    def __init__(self, read: Callable[[], Awaitable[Sequence[Row]]], folder: Path) -> None:
        self._read = read
        self._recorder = Recorder(folder / "observer.jsonl")
        self._known: dict[RunKey, Ending] = {}

    @asynccontextmanager
    async def observing(self) -> AsyncIterator[None]:
        """Look while the block runs, and a last time at its end."""
        looking = asyncio.create_task(self._look_again(), name="observer")
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            self._recorder.close()

    async def _look_again(self) -> None:
        while True:
            rows = await self._read()
            self.note(rows)
            await asyncio.sleep(_PERIOD)

    def note(self, rows: Sequence[Row]) -> None:
        """Write down what is not as it was."""
        at = now()
        for row in rows:
            if self._known.get(row.run) != row.ending:
                self._known[row.run] = row.ending
                seen = Seen(at=at, run=row.run, ending=row.ending, label=row.label)
                self._recorder.write(seen)
        for run in self._known.keys() - {row.run for row in rows}:
            gone = Seen(at=at, run=run, ending=self._known.pop(run), gone=True)
            self._recorder.write(gone)
