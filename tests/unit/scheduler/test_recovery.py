"""Taking up what was queued before a restart, when not all goes well."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
from structlog.testing import capture_logs

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint, OpenRun, RunCursor
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import PayloadConfiguration
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.queue import LaunchQueue
from nexus_scheduler.recovery import Recovery
from support.clock import ManualClock, settle
from support.launching import RecordingLauncher, a_buffered_run, a_queue
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint, a_template_spec

OWNER = "scheduler-0"


class StoredRuns:
    """Store and index of runs that are all `BUFFERED`, and all this scheduler's."""

    def __init__(self, rows: Sequence[Checkpoint]) -> None:
        self.rows = {row.key: row for row in rows}
        self.clusters: dict[RunKey, str] = {}
        """Where it is not `standalone`."""
        self.away = False

    async def find(self, key: RunKey) -> Checkpoint | None:
        if self.away:
            raise UnavailableError("the store is away")
        return self.rows.get(key)

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        return a_buffered_job(self.rows[key], self.clusters.get(key, "standalone"))

    async def buffered_by(
        self, owner: str, limit: int, after: RunCursor | None = None
    ) -> list[OpenRun]:
        assert owner == OWNER
        found = [
            OpenRun(
                key=row.key,
                stage=row.lifecycle_stage,
                owner=owner,
                received_at=row.received_at,
                sent_at=None,
                last_modified=row.last_modified,
                job_uid="",
            )
            for row in sorted(self.rows.values(), key=lambda row: (row.received_at, row.id))
            if after is None or RunCursor(row.received_at, row.id) > after
        ]
        return found[:limit]


def rows(count: int) -> list[Checkpoint]:
    """Make rows, oldest first, two of each time."""
    checkpoints = [
        a_checkpoint(received_at=LONG_AGO + timedelta(seconds=n // 2)) for n in range(count)
    ]
    return sorted(checkpoints, key=lambda row: (row.received_at, row.id))


def a_recovery(stored: StoredRuns, queue: LaunchQueue, clock: ManualClock) -> Recovery:
    unused = cast("Any", None)
    parts = SchedulerParts(
        store=cast("Any", stored),
        index=cast("Any", stored),
        leases=unused,
        journal=unused,
        payloads=unused,
        catalogue=unused,
        clusters=cast("Any", {"standalone": None}),
        urls=unused,
        clock=clock,
    )
    return Recovery(parts, queue, OWNER)


async def launched(queue: LaunchQueue, launcher: RecordingLauncher) -> list[RunKey]:
    """Let the queue launch all that it holds; return what, in order."""
    async with BackgroundTasks() as tasks:
        queue.start(tasks)
        while len(queue):
            await settle()
    return [run.key for run in launcher.launched]


LATER = LONG_AGO + timedelta(days=1)
UNLIMITED: dict[str, Any] = {
    "rate_limit_elements_per_second": 1e6,
    "rate_limit_elements_burst": 10_000,
}


async def test_many_more_runs_than_a_page_are_all_taken_up_ahead_of_new_ones(
    clock: ManualClock,
) -> None:
    launcher, stored = RecordingLauncher(), StoredRuns(rows(450))
    queue = a_queue(launcher, clock, workers=1, **UNLIMITED)
    fresh = a_buffered_run()
    queue.put(fresh)
    await a_recovery(stored, queue, clock).recover(LATER)
    assert await launched(queue, launcher) == [*stored.rows, fresh.key]
    # Who had the name before may have started them.
    doubtful = [run.key for run in launcher.launched if run.doubtful]
    assert doubtful == [key for key in stored.rows if key != fresh.key]


async def test_runs_that_came_after_the_start_are_in_the_queue_already(clock: ManualClock) -> None:
    launcher, stored = RecordingLauncher(), StoredRuns(rows(10))
    queue = a_queue(launcher, clock, workers=1)
    await a_recovery(stored, queue, clock).recover(LONG_AGO + timedelta(seconds=2))
    assert await launched(queue, launcher) == list(stored.rows)[:4]


async def test_a_store_that_is_away_is_waited_for(clock: ManualClock) -> None:
    launcher, stored = RecordingLauncher(), StoredRuns(rows(5))
    queue = a_queue(launcher, clock, workers=1)
    stored.away = True
    recovery = asyncio.create_task(a_recovery(stored, queue, clock).recover(LATER))
    await clock.advance(10)
    assert len(queue) == 0
    stored.away = False
    await clock.advance(10)
    await recovery
    assert await launched(queue, launcher) == list(stored.rows)


async def test_a_full_queue_is_waited_for(clock: ManualClock) -> None:
    launcher, stored = RecordingLauncher(), StoredRuns(rows(3))
    queue = a_queue(launcher, clock, queue_limit=2, workers=1)
    waiting = [a_buffered_run() for _ in range(2)]
    for run in waiting:
        queue.put(run)
    recovery = asyncio.create_task(a_recovery(stored, queue, clock).recover(LATER))
    await clock.advance(10)
    assert queue.free == 0
    queue.remove(waiting[0].key)
    await clock.advance(1)
    # It takes the one place that there is, and no more.
    assert queue.free == 0
    assert not recovery.done()
    async with BackgroundTasks() as tasks:
        queue.start(tasks)
        await clock.advance(10)
        await recovery
        await settle()
    first, *others = stored.rows
    assert [run.key for run in launcher.launched] == [first, waiting[1].key, *others]


async def test_runs_that_can_not_be_taken_up_are_passed_over(clock: ManualClock) -> None:
    stored = StoredRuns(rows(5))
    elsewhere, unreadable, *good = stored.rows
    stored.clusters[elsewhere] = "a cluster of somebody else"
    spec = a_template_spec(payload_configuration=PayloadConfiguration(payload_valid_for="1 day"))
    stored.rows[unreadable] = msgspec.structs.replace(
        stored.rows[unreadable], applied_configuration=spec
    )
    launcher = RecordingLauncher()
    queue = a_queue(launcher, clock, workers=1)
    await a_recovery(stored, queue, clock).recover(LATER)
    assert await launched(queue, launcher) == good


async def test_runs_for_clusters_that_are_reached_no_more_are_told_of(clock: ManualClock) -> None:
    stored = StoredRuns(rows(5))
    for number, key in enumerate(list(stored.rows)[:3]):
        stored.clusters[key] = f"gone-{number % 2}"
    queue = a_queue(RecordingLauncher(), clock)
    with capture_logs() as logs:
        await a_recovery(stored, queue, clock).recover(LATER)
    (told,) = [line for line in logs if line["event"] == "runs out of reach"]
    assert told["clusters"] == ["gone-0", "gone-1"]
