"""Rows that another implementation left in the shared tables, on the real server."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
from msgspec.structs import replace

from nexus_core.adapters.cassandra.rows import CHECKPOINT_COLUMNS
from nexus_core.adapters.cassandra.session import CqlSession, Statement, Value
from nexus_core.adapters.cassandra.stores import CassandraStores, Variant, open_cassandra_stores
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint, Lease
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Advance, Stage, StageChange
from support.clock import ManualClock
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "unit/cassandra/golden/rows_of_others.json"
EXAMPLES = json.loads(GOLDEN.read_text())
TIMES = {"received_at", "sent_at", "last_modified"}


async def write(session: CqlSession, row: dict[str, str | None]) -> None:
    """Write a row as they do: by the clock, empty texts as such, empty times as no bytes."""
    values: list[Value] = []
    marks = []
    for column in CHECKPOINT_COLUMNS:
        text = row[column]
        if column in TIMES and text == "":
            marks.append("blobAsTimestamp(0x)")
            continue
        marks.append("?")
        is_time = column in TIMES and text is not None
        values.append(datetime.fromisoformat(text) if is_time and text else text)
    insert = (
        f"INSERT INTO checkpoints ({', '.join(CHECKPOINT_COLUMNS)}) VALUES ({', '.join(marks)})"  # noqa: S608 - ours
    )
    await session.execute(Statement(insert), values)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["about"])
async def test_a_row_of_others_is_found_and_can_be_brought_to_its_end(
    session: CqlSession, stores: CassandraStores, example: dict[str, dict[str, str | None]]
) -> None:
    id_ = str(uuid4())
    await write(session, {**example["row"], "id": id_})
    expected = msgspec.json.decode(msgspec.json.encode(example["reads_as"]), type=Checkpoint)
    key = RunKey(expected.algorithm, id_)

    found = await stores.checkpoints.find(key)

    assert found == msgspec.structs.replace(expected, id=id_)
    end = StageChange(to=Stage.CANCELLED, at=datetime.now(UTC), cause="Cancelled.")
    was_open = not expected.lifecycle_stage.finished
    advance = await stores.checkpoints.advance(key, end)
    assert advance == Advance(
        applied=was_open, stage=Stage.CANCELLED if was_open else expected.lifecycle_stage
    )


async def test_a_tagged_run_of_others_is_found_and_gets_another_tag(
    session: CqlSession, stores: CassandraStores, variant: Variant
) -> None:
    row, tag = {**EXAMPLES[1]["row"], "id": str(uuid4())}, f"tag-{uuid4()}"
    await write(session, {**row, "tag": tag})
    if not variant.indexed:
        add = Statement("INSERT INTO checkpoints_by_tag (tag, algorithm, id) VALUES (?, ?, ?)")
        await session.execute(add, (tag, row["algorithm"], row["id"]))
    assert [found.id for found in await stores.index.tagged(tag)] == [row["id"]]

    key = RunKey(str(row["algorithm"]), str(row["id"]))
    assert await stores.checkpoints.retag(key, f"{tag}-2", LONG_AGO)

    assert await stores.index.tagged(tag) == []
    assert [found.id for found in await stores.index.tagged(f"{tag}-2")] == [row["id"]]


async def test_a_job_of_others_is_found(session: CqlSession, stores: CassandraStores) -> None:
    key = RunKey("tsp", str(uuid4()))
    add = "INSERT INTO submission_buffer (algorithm, id, cluster, template) VALUES (?, ?, ?, ?)"
    manifest = '{"metadata":{"name":"x"},"status":{}}'
    await session.execute(Statement(add), (key.algorithm, key.request_id, "east", manifest))

    assert await stores.checkpoints.find_job(key) == BufferedJob("east", manifest.encode())


async def an_open_run_of_others(
    session: CqlSession, host: str, cluster: str, variant: Variant
) -> RunKey:
    key = RunKey("tsp", str(uuid4()))
    row = {**EXAMPLES[1]["row"], "id": key.request_id, "received_by_host": host}
    await write(session, row)
    add = "INSERT INTO submission_buffer (algorithm, id, cluster, template) VALUES (?, ?, ?, ?)"
    await session.execute(Statement(add), (key.algorithm, key.request_id, cluster, "{}"))
    if not variant.indexed:
        for stage in (Stage.NEW, Stage.BUFFERED):  # they leave the row of the stage before
            add = (
                "INSERT INTO checkpoints_by_host (host, lifecycle_stage, algorithm, id) "
                "VALUES (?, ?, ?, ?)"
            )
            await session.execute(
                Statement(add), (host, stage.value, key.algorithm, key.request_id)
            )
    return key


async def test_open_runs_of_others_are_swept_where_that_is_asked_for(
    session: CqlSession, stores: CassandraStores, variant: Variant, clock: ManualClock
) -> None:
    host, cluster = f"host-{uuid4()}", f"cluster-{uuid4()}"
    theirs = await an_open_run_of_others(session, host, cluster, variant)
    elsewhere = await an_open_run_of_others(session, host, "elsewhere", variant)
    ours = a_checkpoint(received_by_host=f"ours-{uuid4()}")
    await stores.leases.renew(
        Lease(owner=ours.received_by_host, callback_url="http://ours", expires_at=LONG_AGO)
    )
    await stores.checkpoints.accept(ours, a_buffered_job(ours, cluster))
    later = datetime.now(UTC)
    assert [run.key for run in await stores.index.open_runs(cluster, later, 10)] == [ours.key]

    adopting = replace(variant, adopts=True)
    async with open_cassandra_stores(session, clock, adopting) as supervisor:
        for _ in range(4):
            found = await supervisor.index.open_runs(cluster, later, 10)
            assert sorted(run.key for run in found) == sorted([theirs, ours.key])
            assert elsewhere not in {run.key for run in found}
            await clock.advance(61)
        (buffered,) = await supervisor.index.buffered_by(host, 10, cluster=cluster)
        assert (buffered.key, buffered.owner) == (theirs, host)

        end = StageChange(to=Stage.COMPLETED, at=LONG_AGO)
        await supervisor.checkpoints.advance(theirs, end)
        for _ in range(3):
            found = await supervisor.index.open_runs(cluster, later, 10)
            assert [run.key for run in found] == [ours.key]
            await clock.advance(61)
    # What has ended is filed as open no more, and was not adopted again.
    assert await stores.index._open_runs.keys_of(cluster, host) == set()


HOSTS = Statement(
    "SELECT algorithm, id FROM checkpoints_by_host WHERE host=? AND lifecycle_stage=?"
)


@pytest.mark.parametrize("end", [Stage.COMPLETED, Stage.CANCELLED])
async def test_others_find_our_runs_by_host_in_the_stage_they_are_in_and_in_no_other(
    session: CqlSession, stores: CassandraStores, variant: Variant, end: Stage
) -> None:
    run = a_checkpoint(received_by_host=f"host-{uuid4()}")
    await stores.checkpoints.accept(run, a_buffered_job(run))
    path = [Stage.BUFFERED, Stage.RUNNING, end]
    for stage in path:
        if stage is not Stage.BUFFERED:
            await stores.checkpoints.advance(run.key, StageChange(to=stage, at=LONG_AGO))
            await stores.afterwork.settle()
        found = {}
        for asked in Stage:
            if variant.indexed:
                by_index = Statement(
                    "SELECT algorithm, id FROM checkpoints "
                    "WHERE received_by_host = ? AND lifecycle_stage = ? ALLOW FILTERING"
                )
                rows = await session.execute(by_index, (run.received_by_host, asked.value))
            else:
                rows = await session.execute(HOSTS, (run.received_by_host, asked.value))
            found[asked] = rows
        assert found == {
            asked: [(run.algorithm, run.id)] if asked is stage else [] for asked in Stage
        }


async def test_a_tag_longer_than_servers_can_look_up_is_refused_and_one_that_just_fits_is_not(
    stores: CassandraStores,
) -> None:
    tag = str(uuid4()).ljust(0xFE00, "x")
    run = a_checkpoint(tag=tag)
    await stores.checkpoints.accept(run, None)
    assert [found.id for found in await stores.index.tagged(tag)] == [run.id]

    with pytest.raises(InvalidInputError, match="tag must be at most 65024 bytes"):
        await stores.checkpoints.accept(a_checkpoint(tag=tag + "x"), None)


async def test_others_find_our_columns_as_they_expect_them(
    session: CqlSession, stores: CassandraStores
) -> None:
    run = a_checkpoint()
    await stores.checkpoints.accept(run, a_buffered_job(run))

    checkpoints, jobs = await asyncio.gather(
        session.execute(
            Statement(
                "SELECT received_at, sent_at, applied_configuration, tag FROM checkpoints "
                "WHERE algorithm = ? AND id = ?"
            ),
            (run.algorithm, run.id),
        ),
        session.execute(
            Statement("SELECT template FROM submission_buffer WHERE algorithm = ? AND id = ?"),
            (run.algorithm, run.id),
        ),
    )

    ((received_at, sent_at, configuration, tag),) = checkpoints
    assert (received_at, sent_at, tag) == (run.received_at, None, None)
    assert str(configuration).startswith("b64__eyJjb250YWluZXIi")
    assert jobs == [(a_buffered_job(run).manifest.decode(),)]
