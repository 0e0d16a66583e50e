"""What algorithms report is recorded, once and for all."""

import asyncio
from datetime import timedelta

import pytest

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from support.calls import Client
from support.clock import ManualClock
from support.receiver_client import ReceiverClient, metric
from support.runs import LONG_AGO
from support.services import World
from support.stored_runs import store_run

ALIASES = ["v1", "v1.0", "v1.2", "latest"]


async def recorded(world: World, key: RunKey) -> Checkpoint:
    checkpoint = await world.stores.store.find(key)
    assert checkpoint is not None
    return checkpoint


@pytest.mark.parametrize("alias", ALIASES)
async def test_a_completion_is_answered_as_published_clients_expect(
    world: World, receiver: ReceiverClient, alias: str
) -> None:
    receiver.version = alias
    key = await store_run(world, Stage.RUNNING)

    reply = await receiver.report(key, json={"resultUri": "s3a://results/1"})

    assert (reply.status, reply.content_type, reply.json()) == (202, "application/json", {})
    assert await world.stage(key) is Stage.COMPLETED


@pytest.mark.parametrize("alias", ALIASES)
async def test_check_tells_whether_a_run_has_finished(
    world: World, receiver: ReceiverClient, alias: str
) -> None:
    receiver.version = alias
    key = await store_run(world, Stage.RUNNING)

    before = await receiver.check(key)
    await receiver.complete(key)
    after = await receiver.check(key)

    assert [before.status, after.status] == [200, 200]
    assert before.content_type == after.content_type == "application/json"
    assert (before.json(), after.json()) == ({"is_processed": False}, {"is_processed": True})


@pytest.mark.parametrize("stage", sorted(Stage))
async def test_a_run_is_processed_in_finished_stages_only(
    world: World, receiver: ReceiverClient, stage: Stage
) -> None:
    key = await store_run(world, stage)

    reply = await receiver.check(key)

    assert reply.json() == {"is_processed": stage in FINISHED_STAGES}


async def test_a_success_is_recorded_with_its_result_and_its_time(
    world: World, receiver: ReceiverClient
) -> None:
    assert isinstance(world.clock, ManualClock)
    key = await store_run(world, Stage.RUNNING)
    await world.clock.advance(5)

    await receiver.complete(key, resultUri="s3a://results/1")

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.COMPLETED
    assert run.result_uri == "s3a://results/1"
    assert run.last_modified == LONG_AGO + timedelta(seconds=5)
    assert run.algorithm_failure_cause == run.algorithm_failure_details == ""


async def test_a_failure_is_recorded_with_its_cause_and_details(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)

    await receiver.complete(key, errorCause="No feasible tour", errorDetails="Traceback …")

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.FAILED
    assert run.algorithm_failure_cause == "No feasible tour"
    assert run.algorithm_failure_details == "Traceback …"
    assert run.result_uri == ""


async def test_a_failure_has_no_result_whatever_is_reported(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)

    await receiver.complete(key, errorCause="No feasible tour", resultUri="s3a://half/done")

    assert (await recorded(world, key)).result_uri == ""


@pytest.mark.parametrize(
    "body",
    [
        {"resultUri": "s3a://results/1"},
        {"resultUri": "s3a://results/1", "errorCause": ""},
        {"resultUri": "s3a://results/1", "errorCause": "", "errorDetails": ""},
        {"resultUri": "s3a://results/1", "errorCause": None, "errorDetails": None},
        {"resultUri": "s3a://results/1", "errorDetails": "told without a cause"},
        {"resultUri": "s3a://results/1", "somethingNew": {"a": [1]}},
    ],
)
async def test_without_an_error_cause_a_run_has_succeeded(
    world: World, receiver: ReceiverClient, body: dict[str, object]
) -> None:
    key = await store_run(world, Stage.RUNNING)

    await receiver.complete(key, **body)

    run = await recorded(world, key)
    assert run.lifecycle_stage is Stage.COMPLETED
    assert run.result_uri == "s3a://results/1"
    assert run.algorithm_failure_details == ""


async def test_a_long_stack_trace_is_welcome(world: World, receiver: ReceiverClient) -> None:
    key = await store_run(world, Stage.RUNNING)
    details = "  at line ü\n" * 50_000

    await receiver.complete(key, errorCause="Broken", errorDetails=details)

    assert (await recorded(world, key)).algorithm_failure_details == details


@pytest.mark.parametrize("second", [{}, {"resultUri": "s3a://other"}, {"errorCause": "after all"}])
@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_finished_run_stays_as_it_is_whatever_is_reported(
    world: World, receiver: ReceiverClient, stage: Stage, second: dict[str, str]
) -> None:
    key = await store_run(world, stage)
    before = await recorded(world, key)

    reply = await receiver.report(key, json=second)

    assert (reply.status, reply.json()) == (202, {})
    assert await recorded(world, key) == before


async def test_a_completion_before_its_start_is_recorded_wins_over_the_late_record(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.BUFFERED)
    await receiver.complete(key, resultUri="s3a://results/1")

    now = world.clock.now()
    late = await world.stores.store.advance(
        key, StageChange(to=Stage.RUNNING, at=now, sent_at=now, job_uid="uid-1")
    )

    assert not late.applied
    run = await recorded(world, key)
    assert (run.lifecycle_stage, run.result_uri) == (Stage.COMPLETED, "s3a://results/1")


async def test_a_run_that_is_not_accepted_yet_cannot_complete(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.NEW)

    reply = await receiver.report(key, json={})

    assert (reply.status, reply.content_type) == (400, "text/plain")
    assert await world.stage(key) is Stage.NEW


async def test_of_many_completions_at_once_one_counts(
    world: World, receiver: ReceiverClient
) -> None:
    key = await store_run(world, Stage.RUNNING)
    bodies = [{"resultUri": f"s3a://results/{n}"} for n in range(32)]
    bodies += [{"errorCause": f"cause {n}", "errorDetails": f"details {n}"} for n in range(32)]

    replies = await asyncio.gather(*(receiver.report(key, json=body) for body in bodies))

    assert {reply.status for reply in replies} == {202}
    run = await recorded(world, key)
    told = (run.result_uri, run.algorithm_failure_cause, run.algorithm_failure_details)
    if run.lifecycle_stage is Stage.COMPLETED:
        assert told in {(body["resultUri"], "", "") for body in bodies[:32]}
    else:
        assert told in {("", body["errorCause"], body["errorDetails"]) for body in bodies[32:]}
    name = "nexus_receiver_completions_total"
    assert await metric(receiver, name, effect="changed") == 1
    assert await metric(receiver, name, effect="late") == 63


async def test_completions_race_cancellations_and_one_wins(
    world: World, client: Client, receiver: ReceiverClient
) -> None:
    keys = [await store_run(world, Stage.RUNNING) for _ in range(32)]

    async def cancel(key: RunKey) -> int:
        path = f"/algorithm/v1/cancel/{key.algorithm}/requests/{key.request_id}"
        return (await client.post(path, {"initiator": "me"})).status

    cancels, completions = await asyncio.gather(
        asyncio.gather(*map(cancel, keys)),
        asyncio.gather(*(receiver.report(key, json={"resultUri": "uri"}) for key in keys)),
    )

    assert {reply.status for reply in completions} == {202}
    for key, status in zip(keys, cancels, strict=True):
        run = await recorded(world, key)
        told = (run.lifecycle_stage, run.result_uri, run.algorithm_failure_cause, status)
        assert told in {
            (Stage.COMPLETED, "uri", "", 400),
            (Stage.CANCELLED, "", "Cancelled by me.", 200),
        }
