"""What `ports.run_index` promises, sentence by sentence."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import TypeVar
from uuid import uuid4

import pytest

from nexus_core.domain.checkpoint import Checkpoint, OpenRun, RunCursor, RunFilter, RunSummary
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.stages import FINISHED_STAGES, OPEN_STAGES, Stage, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.run_index import RunIndex
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

R = TypeVar("R", RunSummary, OpenRun)

CLUSTERS = ("east", "west")
OWNERS = ("scheduler-0", "scheduler-1")
ALGORITHMS = ("hello-world", "tsp")
TAGS = ("", "nightly", "weekly")
FAR_FUTURE = LONG_AGO + timedelta(days=365)


def some_runs(count: int, tick: timedelta) -> list[Checkpoint]:
    """Runs of all sorts, in no order, many of them received in the same tick."""
    # The same runs each time, so that a failure can be repeated; but for their ids, since a store
    # that others use may have those of the last time.
    random = Random(7)  # noqa: S311
    return [
        a_checkpoint(
            algorithm=random.choice(ALGORITHMS),
            lifecycle_stage=random.choice(list(Stage)),
            received_at=LONG_AGO + random.randrange(count // 3) * tick,
            received_by_host=random.choice(OWNERS),
            tag=random.choice(TAGS),
            algorithm_failure_cause=random.choice(("", "It failed.")),
            sent_at=random.choice((None, LONG_AGO)),
            job_uid=random.choice(("", "6f1c")),
        )
        for _ in range(count)
    ]


async def stored(store: CheckpointStore, runs: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
    for number, run in enumerate(runs):
        await store.accept(run, a_buffered_job(run, cluster=CLUSTERS[number % 2]))
    return runs


def place(run: Checkpoint) -> RunCursor:
    return RunCursor(run.received_at, run.id)


def newest_first(runs: Sequence[Checkpoint]) -> list[Checkpoint]:
    return sorted(runs, key=place, reverse=True)


def oldest_first(runs: Sequence[Checkpoint]) -> list[Checkpoint]:
    return sorted(runs, key=place)


def summary(run: Checkpoint) -> RunSummary:
    return RunSummary(
        key=run.key,
        stage=run.lifecycle_stage,
        tag=run.tag,
        received_at=run.received_at,
        sent_at=run.sent_at,
        last_modified=run.last_modified,
        cause=run.algorithm_failure_cause,
    )


def open_run(run: Checkpoint) -> OpenRun:
    return OpenRun(
        key=run.key,
        stage=run.lifecycle_stage,
        owner=run.received_by_host,
        received_at=run.received_at,
        sent_at=run.sent_at,
        last_modified=run.last_modified,
        job_uid=run.job_uid,
    )


async def all_pages(
    page: Callable[[int, RunCursor | None], Awaitable[Sequence[R]]], limit: int
) -> list[R]:
    """Turn pages until one is empty; fails when a page is longer than asked for."""
    found: list[R] = []
    after = None
    while batch := await page(limit, after):
        assert len(batch) <= limit
        found += batch
        after = RunCursor(batch[-1].received_at, batch[-1].key.request_id)
    return found


# By tag and by parent.


async def test_the_runs_of_a_tag_come_whole_and_newest_first(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(60, tick))

    tagged = [run for run in runs if run.tag == "nightly"]
    assert list(await index.tagged("nightly")) == newest_first(tagged)


async def test_a_tag_that_no_run_has_finds_nothing(store: CheckpointStore, index: RunIndex) -> None:
    await stored(store, [a_checkpoint(tag="")])

    assert list(await index.tagged("unheard-of")) == []
    assert list(await index.tagged("")) == []


async def test_a_retagged_run_is_found_by_its_new_tag_only(
    store: CheckpointStore, index: RunIndex
) -> None:
    run = a_checkpoint(tag="old")
    await stored(store, [run])

    await store.retag(run.key, "new", LONG_AGO)

    assert list(await index.tagged("old")) == []
    assert [found.key for found in await index.tagged("new")] == [run.key]


async def test_children_are_found_in_any_stage(store: CheckpointStore, index: RunIndex) -> None:
    parent = a_checkpoint(algorithm="fan-out")
    reference = ParentReference(request_id=parent.id, algorithm_name="fan-out")
    children = [a_checkpoint(lifecycle_stage=stage, parent=reference) for stage in Stage]
    grandchild = a_checkpoint(
        parent=ParentReference(request_id=children[0].id, algorithm_name="hello-world")
    )
    stranger = a_checkpoint(
        parent=ParentReference(request_id=parent.id, algorithm_name="another-algorithm")
    )
    await stored(store, [parent, *children, grandchild, stranger])

    assert sorted(await index.children(parent.key)) == sorted(child.key for child in children)
    assert list(await index.children(children[0].key)) == [grandchild.key]
    assert list(await index.children(children[1].key)) == []


async def test_runs_without_a_parent_are_nobodys_children(
    store: CheckpointStore, index: RunIndex
) -> None:
    await stored(store, [a_checkpoint()])

    assert list(await index.children(RunKey("", ""))) == []


# Lists.


def filters(tick: timedelta) -> list[RunFilter]:
    return [
        RunFilter(
            algorithm=algorithm,
            stages=frozenset(stages),
            tag=tag,
            received_from=received_from,
            received_until=received_until,
        )
        for algorithm, stages, tag, received_from, received_until in product(
            (None, "tsp"),
            ((), (Stage.COMPLETED,), (Stage.BUFFERED, Stage.FAILED, Stage.CANCELLED)),
            (None, "nightly"),
            (None, LONG_AGO + 5 * tick),
            (None, LONG_AGO + 15 * tick),
        )
    ]


def chosen(run: Checkpoint, where: RunFilter) -> bool:
    return (
        (not where.algorithm or run.algorithm == where.algorithm)
        and (not where.stages or run.lifecycle_stage in where.stages)
        and (not where.tag or run.tag == where.tag)
        and (where.received_from is None or run.received_at >= where.received_from)
        and (where.received_until is None or run.received_at < where.received_until)
    )


async def test_a_list_holds_what_its_filter_chooses_newest_first(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(60, tick))

    for where in filters(tick):
        expected = [summary(run) for run in newest_first(runs) if chosen(run, where)]
        assert list(await index.runs(where, len(runs))) == expected, where


@pytest.mark.parametrize("limit", [1, 7, 60])
async def test_pages_of_a_list_have_no_gaps_and_no_repeats(
    store: CheckpointStore, index: RunIndex, limit: int, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(60, tick))

    for where in filters(tick)[:: 1 if limit > 1 else 5]:

        async def page(
            size: int, after: RunCursor | None, where: RunFilter = where
        ) -> Sequence[RunSummary]:
            return await index.runs(where, size, after)

        expected = [summary(run) for run in newest_first(runs) if chosen(run, where)]
        assert await all_pages(page, limit) == expected, where


async def test_empty_text_in_a_filter_means_any(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(12, tick))

    found = await index.runs(RunFilter(algorithm="", tag=""), 100)

    assert list(found) == [summary(run) for run in newest_first(runs)]


async def test_a_list_may_be_asked_for_from_the_beginning_to_the_end_of_time(
    store: CheckpointStore, index: RunIndex
) -> None:
    run = a_checkpoint(algorithm=f"timeless-{uuid4()}")
    await stored(store, [run])
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)

    async def listed(since: datetime | None, until: datetime | None) -> list[RunKey]:
        where = RunFilter(algorithm=run.algorithm, received_from=since, received_until=until)
        return [found.key for found in await index.runs(where, 10)]

    assert await listed(first, last) == [run.key]
    assert await listed(last, None) == []
    assert await listed(None, first) == []


async def test_runs_that_come_while_pages_are_turned_do_not_move_them(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    runs = newest_first(await stored(store, some_runs(10, tick)))
    first = await index.runs(RunFilter(), 5)

    await stored(store, [a_checkpoint(received_at=FAR_FUTURE)])
    second = await index.runs(RunFilter(), 5, place(runs[4]))

    assert [*first, *second] == [summary(run) for run in runs]


# What is open.


async def test_open_runs_of_a_cluster_come_oldest_first(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(60, tick))

    for number, cluster in enumerate(CLUSTERS):
        expected = [
            open_run(run)
            for run in oldest_first(runs[number::2])
            if run.lifecycle_stage in OPEN_STAGES
        ]
        assert list(await index.open_runs(cluster, FAR_FUTURE, 100)) == expected
    assert list(await index.open_runs("unheard-of", FAR_FUTURE, 100)) == []


async def test_a_run_is_not_received_before_the_time_it_was_received(
    store: CheckpointStore, index: RunIndex, tick: timedelta
) -> None:
    run = a_checkpoint()
    await stored(store, [run])

    assert list(await index.open_runs("east", run.received_at, 10)) == []
    a_moment_later = run.received_at + tick
    assert list(await index.open_runs("east", a_moment_later, 10)) == [open_run(run)]


@pytest.mark.parametrize("limit", [1, 4])
async def test_pages_of_open_runs_have_no_gaps_and_no_repeats(
    store: CheckpointStore, index: RunIndex, limit: int, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(60, tick))

    found = await all_pages(
        lambda size, after: index.open_runs("east", FAR_FUTURE, size, after), limit
    )

    expected = [run for run in oldest_first(runs[::2]) if run.lifecycle_stage in OPEN_STAGES]
    assert found == [open_run(run) for run in expected]


@pytest.mark.parametrize("end", sorted(FINISHED_STAGES))
async def test_a_finished_run_is_open_no_more(
    store: CheckpointStore, index: RunIndex, end: Stage
) -> None:
    run = a_checkpoint()
    await stored(store, [run])

    await store.advance(run.key, StageChange(to=end, at=LONG_AGO))

    assert list(await index.open_runs("east", FAR_FUTURE, 10)) == []
    assert list(await index.buffered_by(run.received_by_host, 10)) == []


async def test_a_run_without_a_job_is_open_in_no_named_cluster(
    store: CheckpointStore, index: RunIndex
) -> None:
    run = a_checkpoint(lifecycle_stage=Stage.NEW)
    await store.accept(run, None)

    assert list(await index.open_runs("east", FAR_FUTURE, 10)) == []
    assert list(await index.open_runs("", FAR_FUTURE, 10)) == [open_run(run)]


@pytest.mark.parametrize("cluster", [None, "east", "west", "unheard-of"])
async def test_buffered_runs_of_an_owner_come_oldest_first(
    store: CheckpointStore, index: RunIndex, cluster: str | None, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(90, tick))
    of_cluster = {None: runs, "east": runs[::2], "west": runs[1::2]}.get(cluster, [])

    for owner in OWNERS:
        expected = [
            open_run(run)
            for run in oldest_first(of_cluster)
            if run.received_by_host == owner and run.lifecycle_stage is Stage.BUFFERED
        ]
        assert list(await index.buffered_by(owner, 100, cluster=cluster)) == expected
    assert list(await index.buffered_by("unheard-of", 100, cluster=cluster)) == []


@pytest.mark.parametrize("cluster", [None, "west"])
async def test_pages_of_buffered_runs_have_no_gaps_and_no_repeats(
    store: CheckpointStore, index: RunIndex, cluster: str | None, tick: timedelta
) -> None:
    runs = await stored(store, some_runs(120, tick))

    found = await all_pages(
        lambda size, after: index.buffered_by("scheduler-0", size, after, cluster), 2
    )

    expected = [
        open_run(run)
        for run in oldest_first(runs if cluster is None else runs[1::2])
        if run.received_by_host == "scheduler-0" and run.lifecycle_stage is Stage.BUFFERED
    ]
    assert len(expected) > 2
    assert found == expected


async def test_a_running_run_is_open_but_not_buffered(
    store: CheckpointStore, index: RunIndex
) -> None:
    run = a_checkpoint()
    await stored(store, [run])

    await store.advance(
        run.key, StageChange(to=Stage.RUNNING, at=FAR_FUTURE, sent_at=FAR_FUTURE, job_uid="6f1c")
    )

    assert list(await index.buffered_by(run.received_by_host, 10)) == []
    (found,) = await index.open_runs("east", FAR_FUTURE, 10)
    assert (found.stage, found.sent_at, found.job_uid) == (Stage.RUNNING, FAR_FUTURE, "6f1c")
    assert found.last_modified == FAR_FUTURE
