"""What `ports.checkpoint_store` promises, sentence by sentence."""

import asyncio
from datetime import timedelta, timezone
from itertools import product
from typing import Any

import msgspec
import pytest

from nexus_core.domain.checkpoint import Acceptance, IdempotencyKey
from nexus_core.domain.errors import ConflictError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import (
    ComputeOverrides,
    ContainerOverrides,
    Overrides,
    ParentReference,
    RuntimeOverrides,
)
from nexus_core.domain.stages import FINISHED_STAGES, SOURCES, Advance, Stage, StageChange
from nexus_core.domain.template import ErrorHandlingBehaviour, RuntimeEnvironment
from nexus_core.ports.checkpoint_store import CheckpointStore
from support.clock import ManualClock
from support.runs import LONG_AGO, a_buffered_job, a_checkpoint, a_template_spec

LATER = LONG_AGO + timedelta(minutes=5, milliseconds=1)
NOWHERE = RunKey("hello-world", "00000000-0000-0000-0000-000000000000")


def an_idempotency_key(**changes: Any) -> IdempotencyKey:
    key = IdempotencyKey(
        algorithm="hello-world",
        key="order-66",
        fingerprint="digest",
        expires_at=LONG_AGO + timedelta(hours=24),
    )
    return msgspec.structs.replace(key, **changes)


# Accepting and finding.


async def test_what_was_accepted_is_found_whole(store: CheckpointStore) -> None:
    run = a_checkpoint(
        lifecycle_stage=Stage.RUNNING,
        result_uri="s3a://results/1",
        algorithm_failure_cause="It failed.",
        algorithm_failure_details="Really.",
        sent_at=LONG_AGO + timedelta(milliseconds=123),
        applied_configuration=a_template_spec(
            args=["--sas-uri=%s"],
            runtime_environment=RuntimeEnvironment(
                environment_variables=[{"name": "A", "value": "1"}], deadline_seconds=60
            ),
            error_handling_behaviour=ErrorHandlingBehaviour(fatal_exit_codes=[2]),
        ),
        configuration_overrides=Overrides(
            container=ContainerOverrides(version_tag="2.0"),
            compute_resources=ComputeOverrides(limits={"cpu": 2, "memory": "1Gi"}),
            runtime_environment=RuntimeOverrides(maximum_retries=0),
        ),
        tag="nightly",
        job_uid="6f1c",
        parent=ParentReference(request_id="a-parent", algorithm_name="fan-out"),
    )
    job = a_buffered_job(run)

    acceptance = await store.accept(run, job)

    assert acceptance == Acceptance(run.id, replayed=False)
    assert await store.find(run.key) == run
    assert await store.find_job(run.key) == job


async def test_a_run_with_nothing_but_its_name_is_found_as_it_is(store: CheckpointStore) -> None:
    run = a_checkpoint(applied_configuration=None, payload_uri="", content_hash="", api_version="")

    await store.accept(run, None)

    assert await store.find(run.key) == run
    assert await store.find_job(run.key) is None


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE checkpoints; --",
        'a "quoted" %s ?1 :tag',
        "žluťoučký 馬 🐎",
        "\x00 \t\r\n",
        " ",
    ],
)
async def test_text_of_any_kind_comes_back_unchanged(store: CheckpointStore, text: str) -> None:
    run = a_checkpoint(tag=text, algorithm_failure_details=text)

    await store.accept(run, None)

    assert await store.find(run.key) == run


async def test_a_time_in_another_zone_is_the_same_instant(store: CheckpointStore) -> None:
    received = LATER.astimezone(timezone(timedelta(hours=5, minutes=45)))
    run = a_checkpoint(received_at=received)

    await store.accept(run, None)

    found = await store.find(run.key)
    assert found is not None
    assert found.received_at == received
    assert found.received_at.utcoffset() == timedelta(0)


async def test_times_are_kept_to_the_stores_own_tick(
    store: CheckpointStore, tick: timedelta
) -> None:
    run = a_checkpoint(
        received_at=LONG_AGO + tick,
        sent_at=LONG_AGO + 123_456 * tick,
        last_modified=LONG_AGO + tick,
    )
    await store.accept(run, None)
    assert await store.find(run.key) == run

    change = StageChange(to=Stage.FAILED, at=LATER + tick, sent_at=LATER - tick)
    await store.advance(run.key, change)

    found = await store.find(run.key)
    assert found is not None
    assert (found.last_modified, found.sent_at) == (change.at, change.sent_at)


async def test_nothing_is_found_of_a_run_that_is_not_there(store: CheckpointStore) -> None:
    run = a_checkpoint()
    await store.accept(run, a_buffered_job(run))

    for key in (NOWHERE, RunKey("another-algorithm", run.id)):
        assert await store.find(key) is None
        assert await store.find_job(key) is None


async def test_accepting_again_changes_nothing(store: CheckpointStore) -> None:
    run = a_checkpoint(tag="first")
    job = a_buffered_job(run)
    await store.accept(run, job)
    await store.advance(run.key, StageChange(to=Stage.CANCELLED, at=LATER))
    before = await store.find(run.key)

    again = await store.accept(
        a_checkpoint(id=run.id, tag="second"), a_buffered_job(run, cluster="elsewhere")
    )

    assert again == Acceptance(run.id, replayed=False)
    assert await store.find(run.key) == before
    assert await store.find_job(run.key) == job


async def test_accepting_again_adds_no_job(store: CheckpointStore) -> None:
    run = a_checkpoint()
    await store.accept(run, None)

    await store.accept(run, a_buffered_job(run))

    assert await store.find_job(run.key) is None


async def test_one_id_under_two_algorithms_is_two_runs(store: CheckpointStore) -> None:
    run = a_checkpoint()
    other = a_checkpoint(id=run.id, algorithm="another-algorithm")

    await store.accept(run, a_buffered_job(run))
    await store.accept(other, a_buffered_job(other, cluster="elsewhere"))

    assert await store.find(run.key) == run
    assert await store.find(other.key) == other
    assert await store.find_job(other.key) == a_buffered_job(other, cluster="elsewhere")


async def test_every_reader_sees_what_returned_before_it_asked(store: CheckpointStore) -> None:
    async def write_then_read() -> None:
        run = a_checkpoint()
        await store.accept(run, a_buffered_job(run))
        assert await store.find(run.key) == run
        await store.advance(run.key, StageChange(to=Stage.RUNNING, at=LATER))
        found = await store.find(run.key)
        assert found is not None
        assert found.lifecycle_stage is Stage.RUNNING

    async with asyncio.TaskGroup() as tasks:
        for number in range(64):
            tasks.create_task(write_then_read(), name=f"writer-{number}")


# Idempotency keys.


async def test_a_held_key_answers_with_the_earlier_run_and_writes_nothing(
    store: CheckpointStore,
) -> None:
    first, second = a_checkpoint(), a_checkpoint()
    await store.accept(first, a_buffered_job(first), an_idempotency_key())

    acceptance = await store.accept(second, a_buffered_job(second), an_idempotency_key())

    assert acceptance == Acceptance(first.id, replayed=True)
    assert await store.find(second.key) is None
    assert await store.find_job(second.key) is None


async def test_a_run_that_holds_its_own_key_is_repeated_not_replayed(
    store: CheckpointStore,
) -> None:
    run = a_checkpoint()
    await store.accept(run, None, an_idempotency_key())

    assert await store.accept(run, None, an_idempotency_key()) == Acceptance(run.id, replayed=False)


async def test_a_key_under_another_fingerprint_is_a_conflict_and_writes_nothing(
    store: CheckpointStore,
) -> None:
    first, second = a_checkpoint(), a_checkpoint()
    await store.accept(first, None, an_idempotency_key())

    with pytest.raises(ConflictError):
        await store.accept(second, a_buffered_job(second), an_idempotency_key(fingerprint="other"))

    assert await store.find(second.key) is None
    assert await store.find_submission(an_idempotency_key()) == Acceptance(first.id, replayed=True)


async def test_a_conflict_does_not_touch_those_accepted_at_the_same_time(
    store: CheckpointStore,
) -> None:
    await store.accept(a_checkpoint(), None, an_idempotency_key())
    runs = [a_checkpoint() for _ in range(16)]
    conflicting = an_idempotency_key(fingerprint="other")

    outcomes = await asyncio.gather(
        *(
            store.accept(run, None, conflicting if number % 2 else None)
            for number, run in enumerate(runs)
        ),
        return_exceptions=True,
    )

    for number, (run, outcome) in enumerate(zip(runs, outcomes, strict=True)):
        if number % 2:
            assert isinstance(outcome, ConflictError)
            assert await store.find(run.key) is None
        else:
            assert outcome == Acceptance(run.id)
            assert await store.find(run.key) == run


async def test_keys_are_apart_for_each_algorithm(store: CheckpointStore) -> None:
    first, second = a_checkpoint(), a_checkpoint(algorithm="another-algorithm")
    await store.accept(first, None, an_idempotency_key())

    key = an_idempotency_key(algorithm="another-algorithm", fingerprint="other")
    assert await store.accept(second, None, key) == Acceptance(second.id)


async def test_accepting_again_with_a_key_does_not_take_the_key(store: CheckpointStore) -> None:
    run = a_checkpoint()
    await store.accept(run, None)

    await store.accept(run, None, an_idempotency_key())

    assert await store.find_submission(an_idempotency_key()) is None


async def test_a_key_is_held_until_it_expires(store: CheckpointStore, clock: ManualClock) -> None:
    first, second, third = a_checkpoint(), a_checkpoint(), a_checkpoint()
    key = an_idempotency_key(expires_at=clock.now() + timedelta(seconds=10))
    await store.accept(first, None, key)

    await clock.advance(9.999)
    assert await store.accept(second, None, key) == Acceptance(first.id, replayed=True)

    await clock.advance(0.001)
    assert await store.find_submission(key) is None
    renewed = an_idempotency_key(fingerprint="other", expires_at=clock.now() + timedelta(hours=1))
    assert await store.accept(third, None, renewed) == Acceptance(third.id)
    assert await store.find_submission(renewed) == Acceptance(third.id, replayed=True)


async def test_expired_keys_go_and_unexpired_ones_stay_as_new_ones_come(
    store: CheckpointStore, clock: ManualClock
) -> None:
    lasting = an_idempotency_key(key="lasting")
    keeper = a_checkpoint()
    await store.accept(keeper, None, lasting)
    for number in range(20):
        brief = an_idempotency_key(key=f"old-{number}", expires_at=clock.now() + timedelta(1 / 24))
        await store.accept(a_checkpoint(), None, brief)

    await clock.advance(3601)
    for number in range(20):
        await store.accept(a_checkpoint(), None, an_idempotency_key(key=f"new-{number}"))

    assert await store.find_submission(lasting) == Acceptance(keeper.id, replayed=True)
    for number in range(20):
        assert await store.find_submission(an_idempotency_key(key=f"old-{number}")) is None
        assert await store.find_submission(an_idempotency_key(key=f"new-{number}")) is not None


async def test_a_submission_is_found_only_by_its_own_key(store: CheckpointStore) -> None:
    run = a_checkpoint()
    await store.accept(run, None, an_idempotency_key())

    assert await store.find_submission(an_idempotency_key()) == Acceptance(run.id, replayed=True)
    assert await store.find_submission(an_idempotency_key(key="another")) is None
    assert await store.find_submission(an_idempotency_key(algorithm="another")) is None
    with pytest.raises(ConflictError):
        await store.find_submission(an_idempotency_key(fingerprint="other"))


async def test_of_many_that_race_for_a_key_one_is_recorded(store: CheckpointStore) -> None:
    runs = [a_checkpoint() for _ in range(64)]

    acceptances = await asyncio.gather(
        *(store.accept(run, a_buffered_job(run), an_idempotency_key()) for run in runs)
    )

    (winner,) = (one.request_id for one in acceptances if not one.replayed)
    assert {one.request_id for one in acceptances} == {winner}
    found = [run.id for run in runs if await store.find(run.key) is not None]
    assert found == [winner]


# Changes of stage.


@pytest.mark.parametrize(("now", "to"), list(product(Stage, Stage)), ids=str)
async def test_a_stage_changes_only_as_the_table_allows(
    store: CheckpointStore, now: Stage, to: Stage
) -> None:
    run = a_checkpoint(lifecycle_stage=now)
    await store.accept(run, None)

    advance = await store.advance(run.key, StageChange(to=to, at=LATER, cause="Because."))

    found = await store.find(run.key)
    assert found is not None
    if now in SOURCES[to]:
        assert advance == Advance(applied=True, stage=to)
        assert (found.lifecycle_stage, found.algorithm_failure_cause) == (to, "Because.")
    else:
        assert advance == Advance(applied=False, stage=now)
        assert found == run


async def test_the_fields_of_a_change_are_recorded_with_it(store: CheckpointStore) -> None:
    run = a_checkpoint(tag="kept")
    await store.accept(run, None)

    await store.advance(
        run.key,
        StageChange(
            to=Stage.FAILED,
            at=LATER,
            cause="Out of memory.",
            details="137",
            result_uri="s3a://partial",
            sent_at=LATER - timedelta(seconds=1),
            job_uid="6f1c",
        ),
    )

    assert await store.find(run.key) == a_checkpoint(
        id=run.id,
        tag="kept",
        lifecycle_stage=Stage.FAILED,
        last_modified=LATER,
        algorithm_failure_cause="Out of memory.",
        algorithm_failure_details="137",
        result_uri="s3a://partial",
        sent_at=LATER - timedelta(seconds=1),
        job_uid="6f1c",
    )


async def test_what_a_change_leaves_empty_stays_recorded(store: CheckpointStore) -> None:
    run = a_checkpoint(
        algorithm_failure_cause="kept",
        algorithm_failure_details="kept",
        result_uri="kept",
        sent_at=LONG_AGO,
        job_uid="kept",
    )
    await store.accept(run, None)

    await store.advance(run.key, StageChange(to=Stage.RUNNING, at=LATER))

    expected = a_checkpoint(
        id=run.id,
        lifecycle_stage=Stage.RUNNING,
        last_modified=LATER,
        algorithm_failure_cause="kept",
        algorithm_failure_details="kept",
        result_uri="kept",
        sent_at=LONG_AGO,
        job_uid="kept",
    )
    assert await store.find(run.key) == expected


async def test_a_run_that_is_not_there_is_in_no_stage(store: CheckpointStore) -> None:
    change = StageChange(to=Stage.COMPLETED, at=LATER)

    assert await store.advance(NOWHERE, change) == Advance(applied=False, stage=None)
    assert await store.find(NOWHERE) is None


async def test_of_many_that_race_to_finish_a_run_one_is_told_that_it_did(
    store: CheckpointStore,
) -> None:
    run = a_checkpoint(lifecycle_stage=Stage.RUNNING)
    await store.accept(run, None)
    ends = sorted(FINISHED_STAGES) * 13
    changes = [StageChange(to=to, at=LATER, cause=f"{n}") for n, to in enumerate(ends[:64])]

    advances = await asyncio.gather(*(store.advance(run.key, change) for change in changes))

    ((winner, advance),) = (
        (change, advance)
        for change, advance in zip(changes, advances, strict=True)
        if advance.applied
    )
    assert {one.stage for one in advances} == {advance.stage} == {winner.to}
    found = await store.find(run.key)
    assert found is not None
    assert (found.lifecycle_stage, found.algorithm_failure_cause) == (winner.to, winner.cause)


async def test_of_many_that_race_for_the_same_stage_one_is_told_that_it_did(
    store: CheckpointStore,
) -> None:
    run = a_checkpoint()
    await store.accept(run, None)
    change = StageChange(to=Stage.RUNNING, at=LATER)

    advances = await asyncio.gather(*(store.advance(run.key, change) for _ in range(64)))

    assert sum(advance.applied for advance in advances) == 1
    assert {advance.stage for advance in advances} == {Stage.RUNNING}


# Tags.


@pytest.mark.parametrize("stage", Stage)
async def test_a_tag_changes_in_any_stage(store: CheckpointStore, stage: Stage) -> None:
    run = a_checkpoint(lifecycle_stage=stage, tag="old")
    await store.accept(run, None)

    assert await store.retag(run.key, "new", LATER)

    assert await store.find(run.key) == a_checkpoint(
        id=run.id, lifecycle_stage=stage, tag="new", last_modified=LATER
    )


async def test_a_run_that_is_not_there_gets_no_tag(store: CheckpointStore) -> None:
    assert not await store.retag(NOWHERE, "new", LATER)
    assert await store.find(NOWHERE) is None


# Cancelled callers and health.


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_accept_is_whole_or_absent_and_harms_nobody(
    store: CheckpointStore, turns: int
) -> None:
    cut_off = [a_checkpoint() for _ in range(8)]
    others = [a_checkpoint() for _ in range(8)]
    tasks = [asyncio.create_task(store.accept(run, a_buffered_job(run))) for run in cut_off]
    bystanders = [asyncio.create_task(store.accept(run, a_buffered_job(run))) for run in others]
    for _ in range(turns):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert await asyncio.gather(*bystanders) == [Acceptance(run.id) for run in others]
    for run in cut_off:
        present = await store.find(run.key) is not None
        assert (await store.find_job(run.key) is not None) == present
        assert await store.accept(run, a_buffered_job(run)) == Acceptance(run.id)
        assert await store.find_job(run.key) == a_buffered_job(run)


async def test_a_cancelled_read_harms_nobody(store: CheckpointStore) -> None:
    run = a_checkpoint()
    await store.accept(run, None)
    cut_off = asyncio.create_task(store.find(run.key))
    bystander = asyncio.create_task(store.find(run.key))
    await asyncio.sleep(0)
    cut_off.cancel()

    assert await bystander == run
    assert cut_off.cancelled()


async def test_a_store_that_answers_is_pinged(store: CheckpointStore) -> None:
    await store.ping()
