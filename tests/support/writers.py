"""Writers that all change the same runs at once, and what must be true whatever happened."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

# What everybody wants of every run, at some time.
_WISHES = [Stage.RUNNING, *sorted(FINISHED_STAGES)]


class Writers:
    """Accept, advance and repeat without order, and remember what they were told."""

    def __init__(self, stores: Sequence[CheckpointStore], runs: int, seed: int) -> None:
        self._stores = stores
        self._random = Random(seed)  # noqa: S311 - the same steps each time
        self.runs = [a_checkpoint(algorithm=f"algorithm-{n % 3}") for n in range(runs)]
        self.accepted: set[RunKey] = set()
        self.applied: dict[RunKey, list[StageChange]] = defaultdict(list)
        self.refused = 0
        """Steps of the last `work` that ended in an error: done or not, nobody knows."""
        self._ever_refused = 0

        self.cluster = f"cluster of {self.runs[0].id}"
        self._jobless = {run.key for run in self.runs[::7]}

    def job(self, run: Checkpoint) -> BufferedJob | None:
        """The Job of a run; a few have none."""
        return None if run.key in self._jobless else a_buffered_job(run, self.cluster)

    async def work(self) -> None:
        """Let everybody do everything, some 32 at a time."""
        self.refused = 0
        steps = [(run, wish) for run in self.runs for wish in _WISHES]
        self._random.shuffle(steps)
        turns = asyncio.Semaphore(32)

        async def step(number: int, run: Checkpoint, wish: Stage) -> None:
            async with turns:
                await self._step(self._stores[number % len(self._stores)], number, run, wish)

        await asyncio.gather(*(step(number, *one) for number, one in enumerate(steps)))

    async def _step(
        self, store: CheckpointStore, number: int, run: Checkpoint, wish: Stage
    ) -> None:
        try:
            await store.accept(run, self.job(run))
            self.accepted.add(run.key)
            change = StageChange(
                to=wish,
                at=LONG_AGO + timedelta(seconds=number),
                cause=f"Step {number}.",
                job_uid="6f1c" if wish is Stage.RUNNING else "",
            )
            advance = await store.advance(run.key, change)
            if advance.applied:
                self.applied[run.key].append(change)
        except UnavailableError:
            self.refused += 1
            self._ever_refused += 1

    async def check(self, store: CheckpointStore) -> None:
        """Compare what everybody was told with what is there."""
        for run in self.runs:
            found = await store.find(run.key)
            told = self.applied[run.key]
            story = (run.key, self.job(run), told, found, self.refused)
            if found is None:
                assert run.key not in self.accepted, story
                assert not told, story
                continue
            # One that nobody was told of may be whole a moment later.
            if run.key in self.accepted:
                assert await store.find_job(run.key) == self.job(run), story
            ends = [change for change in told if change.to.finished]
            starts = [change for change in told if change.to is Stage.RUNNING]
            assert len(ends) <= 1, story
            assert len(starts) <= 1, story
            if ends:
                (end,) = ends
                there = (found.lifecycle_stage, found.algorithm_failure_cause)
                assert there == (end.to, end.cause), story
            # Everybody asked for an end; without errors, somebody was told that it was theirs.
            assert ends or self._ever_refused, story
            assert found.lifecycle_stage.finished or self.refused, story
            if starts:
                assert found.job_uid == "6f1c", story
                assert found.lifecycle_stage is not Stage.BUFFERED, story
