"""Every way in which starting a run's Job can end."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.domain.cancellation import cancellation
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import (
    ConflictError,
    HeldUpError,
    InvalidInputError,
    JobRejectedError,
    UnavailableError,
)
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy, CancellationRequest, ParentReference
from nexus_core.domain.stages import FINISHED_STAGES, Stage, StageChange
from nexus_core.operations.launch import BufferedRun, Launched, Launcher
from nexus_core.operations.settle import Settler
from nexus_core.ports.payload_store import PayloadStore
from support.clock import ManualClock
from support.jobs import URLS
from support.meddling import meddled
from support.services import World
from support.stored_runs import store_run
from support.sweeping import Told
from support.trouble import Trouble
from support.waiting import until


@pytest.fixture
def launcher(world: World, told: Told) -> Launcher:
    stores, cluster = world.stores, world.cluster
    settler = Settler(stores.store, told)
    return Launcher(stores.store, stores.payloads, {cluster.name: cluster}, settler, world.clock)


async def buffered(world: World, key: RunKey) -> BufferedRun:
    checkpoint = await world.stores.store.find(key)
    job = await world.stores.store.find_job(key)
    assert checkpoint is not None
    assert job is not None
    return BufferedRun.of(checkpoint, job)


async def test_a_launch_creates_the_job_and_records_that_it_runs(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    key = await store_run(world)
    await clock.advance(5)

    assert await launcher.launch(await buffered(world, key)) is Launched.RUNNING

    run = await world.stores.store.find(key)
    job = await world.cluster.find_job(key)
    assert run is not None
    assert job is not None
    assert (run.lifecycle_stage, run.job_uid, run.sent_at) == (Stage.RUNNING, job.uid, clock.now())


async def test_a_launch_in_time_costs_one_creation_and_one_write(
    world: World, launcher: Launcher, trouble: Trouble
) -> None:
    run = await buffered(world, await store_run(world))
    trouble.calls.clear()

    await launcher.launch(run)

    assert [call.method for call in trouble.calls] == ["advance"]


async def test_two_launches_at_once_end_in_one_job_and_one_record(
    world: World, launcher: Launcher, trouble: Trouble
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)

    ends = await asyncio.gather(*(launcher.launch(run) for _ in range(8)))

    assert set(ends) == {Launched.RUNNING}
    assert world.cluster.creations[key] == 1
    assert sum(call.answer.applied for call in trouble.answers("advance")) == 1


async def test_a_cluster_that_is_not_known_may_become_known(
    world: World, launcher: Launcher
) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(await buffered(world, key), cluster="elsewhere")

    with pytest.raises(UnavailableError, match="elsewhere"):
        await launcher.launch(run)

    assert await world.stage(key) is Stage.BUFFERED


@pytest.mark.parametrize("refusal", [JobRejectedError("bad image name"), ConflictError("taken")])
async def test_a_job_that_is_refused_for_good_ends_its_run(
    world: World, launcher: Launcher, told: Told, refusal: Exception
) -> None:
    key = await store_run(world)
    world.cluster.creation_refusal = refusal

    assert await launcher.launch(await buffered(world, key)) is Launched.REJECTED

    run = await world.stores.store.find(key)
    assert run is not None
    assert run.lifecycle_stage is Stage.SCHEDULING_FAILED
    assert run.algorithm_failure_details == str(refusal)
    assert told.runs == [key]


async def test_a_refusal_does_not_undo_what_has_finished(
    world: World, launcher: Launcher, told: Told
) -> None:
    key = await store_run(world, Stage.CANCELLED)
    world.cluster.creation_refusal = JobRejectedError("bad image name")

    await launcher.launch(await buffered(world, key))

    assert await world.stage(key) is Stage.CANCELLED
    assert told.runs == []


async def test_a_cluster_that_is_away_changes_nothing_and_is_tried_again(
    world: World, launcher: Launcher
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    world.cluster.creation_refusal = UnavailableError("too many requests")
    with pytest.raises(UnavailableError):
        await launcher.launch(run)
    assert await world.stage(key) is Stage.BUFFERED

    world.cluster.creation_refusal = None
    assert await launcher.launch(run) is Launched.RUNNING


async def test_a_store_that_is_away_after_the_creation_makes_no_second_job(
    world: World, launcher: Launcher, trouble: Trouble
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    trouble.breaks("advance")
    with pytest.raises(UnavailableError):
        await launcher.launch(run)

    trouble.is_over()
    assert await launcher.launch(run) is Launched.RUNNING
    assert world.cluster.creations[key] == 1


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_job_is_deleted_whose_run_was_ended_by_others_while_it_was_created(
    world: World, launcher: Launcher, clock: ManualClock, stage: Stage
) -> None:
    key = await store_run(world)
    world.cluster.open_gate.clear()
    launch = asyncio.create_task(launcher.launch(await buffered(world, key)))
    await world.stores.store.advance(key, StageChange(to=stage, at=clock.now()))
    world.cluster.open_gate.set()

    ended = await launch

    # These say that its algorithm came to an end: its Job ends by itself, and may flush its logs.
    spoken = stage in {Stage.COMPLETED, Stage.FAILED, Stage.DEADLINE_EXCEEDED}
    assert ended is (Launched.RUNNING if spoken else Launched.FINISHED_BEFORE)
    assert (key in world.cluster.living) is spoken
    assert await world.stage(key) is stage


@pytest.mark.parametrize("stage", [Stage.RUNNING, Stage.COMPLETED, Stage.FAILED])
async def test_a_second_job_is_deleted_though_its_run_was_believed_to_wait(
    world: World, launcher: Launcher, clock: ManualClock, stage: Stage
) -> None:
    key = await store_run(world)
    world.cluster.open_gate.clear()
    launch = asyncio.create_task(launcher.launch(await buffered(world, key)))
    # Meanwhile others start it, its Job comes and goes, and what became of it is recorded.
    running = StageChange(to=Stage.RUNNING, at=clock.now(), job_uid="the-first")
    await world.stores.store.advance(key, running)
    if stage is not Stage.RUNNING:
        await world.stores.store.advance(key, StageChange(to=stage, at=clock.now()))
    world.cluster.open_gate.set()

    assert await launch is Launched.FINISHED_BEFORE

    assert key not in world.cluster.living
    assert await world.stage(key) is stage


# Runs that waited long.


@pytest.mark.parametrize("stage", sorted(FINISHED_STAGES))
async def test_a_run_that_is_done_and_its_job_gone_is_not_started_again(
    world: World, launcher: Launcher, clock: ManualClock, stage: Stage
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    await world.stores.store.advance(key, StageChange(to=stage, at=clock.now()))
    await clock.advance(30)

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE

    assert not world.cluster.creations
    assert await world.stage(key) is stage


async def test_a_run_that_others_started_is_not_started_again(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    key = await store_run(world, Stage.RUNNING)
    run = await buffered(world, key)
    world.cluster.lose(key)
    await clock.advance(30)

    assert await launcher.launch(run) is Launched.RUNNING

    assert world.cluster.creations[key] == 1


async def test_a_run_of_which_others_may_know_is_not_started_again_however_young(
    world: World, launcher: Launcher
) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(await buffered(world, key), doubtful=True)
    await world.stores.store.advance(key, StageChange(to=Stage.FAILED, at=world.clock.now()))

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE

    assert not world.cluster.creations


async def test_who_is_held_up_between_the_last_look_and_the_creation_sends_nothing(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    run = await buffered(world, await store_run(world))
    world.cluster.open_gate.clear()
    launch = asyncio.create_task(launcher.launch(run))
    await until(lambda: world.cluster.waiting)

    await clock.advance(30)
    world.cluster.open_gate.set()

    with pytest.raises(HeldUpError):
        await launch
    assert not world.cluster.creations
    assert await world.stage(run.key) is Stage.BUFFERED


async def test_the_last_look_comes_after_all_else_that_takes_time(
    world: World, told: Told, clock: ManualClock
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    await clock.advance(run.valid_for.total_seconds())

    async def download_url(*_: object) -> str:
        # Others see the end of the run while its URL is made anew.
        await world.stores.store.advance(key, StageChange(to=Stage.FAILED, at=clock.now()))
        return URLS.payload

    payloads = meddled(world.stores.payloads, download_url=download_url)
    settler = Settler(world.stores.store, told)
    clusters = {world.cluster.name: world.cluster}
    launcher = Launcher(world.stores.store, payloads, clusters, settler, clock)

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE
    assert not world.cluster.creations


async def test_a_clock_that_is_set_back_makes_no_run_younger(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(
        await buffered(world, key),
        known_at=clock.monotonic(),
        made_at=clock.now() + timedelta(hours=1),
    )
    await world.stores.store.advance(key, StageChange(to=Stage.FAILED, at=clock.now()))
    await clock.advance(30)

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE
    assert not world.cluster.creations


async def test_a_job_that_an_earlier_try_made_is_found_and_not_made_again_though_it_goes_meanwhile(
    world: World, told: Told
) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(await buffered(world, key), doubtful=True)
    made = await world.cluster.create_job(key, run.manifest)

    async def find(found: RunKey) -> Checkpoint | None:
        checkpoint = await world.stores.store.find(found)
        # Cancelled at another scheduler, just when this one has looked.
        change = StageChange(to=Stage.CANCELLED, at=world.clock.now())
        await world.stores.store.advance(key, change)
        await world.cluster.delete_job(key)
        return checkpoint

    store, cluster = meddled(world.stores.store, find=find), world.cluster
    settler, clusters = Settler(store, told), {cluster.name: cluster}
    launcher = Launcher(store, world.stores.payloads, clusters, settler, world.clock)

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE

    assert made.created
    assert world.cluster.creations[key] == 1
    assert await world.stage(key) is Stage.CANCELLED


async def test_a_job_that_an_earlier_try_made_is_recorded(world: World, launcher: Launcher) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(await buffered(world, key), doubtful=True)
    made = await world.cluster.create_job(key, run.manifest)

    assert await launcher.launch(run) is Launched.RUNNING

    recorded = await world.stores.store.find(key)
    assert recorded is not None
    assert recorded.job_uid == made.uid


async def test_who_may_not_be_alone_looks_before_it_starts_a_run(world: World, told: Told) -> None:
    stores, cluster = world.stores, world.cluster
    settler, clusters = Settler(stores.store, told), {cluster.name: cluster}
    launcher = Launcher(
        stores.store, stores.payloads, clusters, settler, world.clock, alone=lambda: False
    )
    key = await store_run(world)
    run = await buffered(world, key)
    await world.stores.store.advance(key, StageChange(to=Stage.FAILED, at=world.clock.now()))

    assert await launcher.launch(run) is Launched.FINISHED_BEFORE

    assert not world.cluster.creations


async def test_a_run_that_is_not_recorded_any_more_is_not_started(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    run = await buffered(world, await store_run(world))
    unknown = msgspec.structs.replace(run, key=RunKey("gone", run.key.request_id))
    await clock.advance(30)

    assert await launcher.launch(unknown) is Launched.FINISHED_BEFORE
    assert not world.cluster.creations


async def test_a_run_that_still_waits_after_a_long_time_is_started(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    run = await buffered(world, await store_run(world))
    await clock.advance(3600)

    assert await launcher.launch(run) is Launched.RUNNING


def urls_in(manifest: dict[str, Any]) -> set[str]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    wanted = {"NEXUS__PAYLOAD_URL", "NEXUS__RESULT_UPLOAD_URL"}
    return {variable["value"] for variable in container["env"] if variable["name"] in wanted}


@pytest.mark.parametrize(("waited", "renewed"), [(0.24, False), (0.25, True), (3.0, True)])
async def test_urls_are_made_anew_for_a_run_that_used_up_a_quarter_of_their_time(
    world: World, launcher: Launcher, clock: ManualClock, waited: float, *, renewed: bool
) -> None:
    run = await buffered(world, await store_run(world))
    await clock.advance(run.valid_for.total_seconds() * waited)

    await launcher.launch(run)

    stored = {URLS.payload, URLS.result_upload}
    urls = urls_in(world.cluster.manifests[run.key])
    assert (urls.isdisjoint(stored), urls == stored) == (renewed, not renewed)
    if renewed:
        until_when = int((clock.now() + run.valid_for).timestamp())
        assert all(f"to={until_when}" in url for url in urls)


async def test_a_stored_manifest_that_is_no_job_can_never_be_renewed(
    world: World, launcher: Launcher, clock: ManualClock
) -> None:
    run = await buffered(world, await store_run(world))
    await clock.advance(timedelta(days=2).total_seconds())

    with pytest.raises(InvalidInputError):
        await launcher.launch(msgspec.structs.replace(run, manifest=b"[]"))


# Runs that another run started.


async def a_child(world: World, parent: RunKey) -> BufferedRun:
    reference = ParentReference(request_id=parent.request_id, algorithm_name=parent.algorithm)
    return await buffered(world, await store_run(world, parent=reference))


async def cancel(world: World, key: RunKey, policy: CancellationPolicy | None) -> None:
    asked = CancellationRequest(initiator="me", reason="because", cancellation_policy=policy)
    await world.stores.store.advance(key, cancellation(asked, world.clock.now()))


@pytest.mark.parametrize("policy", [None, "Background", "Foreground"])
async def test_a_queued_child_is_cancelled_with_its_parent(
    world: World, launcher: Launcher, told: Told, policy: CancellationPolicy | None
) -> None:
    parent = await store_run(world, Stage.RUNNING)
    child = await a_child(world, parent)
    await cancel(world, parent, CancellationPolicy(policy) if policy else None)

    assert await launcher.launch(child) is Launched.FINISHED_BEFORE

    run = await world.stores.store.find(child.key)
    assert run is not None
    assert run.lifecycle_stage is Stage.CANCELLED
    assert str(parent) in run.algorithm_failure_cause
    assert run.algorithm_failure_details == "Reason: because."
    assert world.cluster.creations[child.key] == 0
    assert told.runs == [child.key]


async def test_a_queued_child_goes_on_when_its_parent_is_cancelled_alone(
    world: World, launcher: Launcher
) -> None:
    parent = await store_run(world, Stage.RUNNING)
    child = await a_child(world, parent)
    await cancel(world, parent, CancellationPolicy.ORPHAN)

    assert await launcher.launch(child) is Launched.RUNNING
    assert await world.stage(child.key) is Stage.RUNNING


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.CANCELLED}))
async def test_a_child_runs_whatever_else_became_of_its_parent(
    world: World, launcher: Launcher, stage: Stage
) -> None:
    child = await a_child(world, await store_run(world, stage))

    assert await launcher.launch(child) is Launched.RUNNING


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.CANCELLED}))
async def test_a_job_is_owned_by_no_job_that_may_be_gone(
    world: World, launcher: Launcher, stage: Stage
) -> None:
    # Clusters delete what is owned by nothing: the child's Job, and a run that was accepted.
    child = await a_child(world, await store_run(world, stage))
    job = msgspec.json.decode(child.manifest)
    job["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "parent", "uid": "parent-uid"}]
    owned = msgspec.structs.replace(child, manifest=msgspec.json.encode(job))

    await launcher.launch(owned)

    made = world.cluster.manifests[child.key]
    assert ("ownerReferences" in made["metadata"]) is not stage.finished
    assert made["spec"] == job["spec"]


async def test_a_child_of_a_run_that_is_not_known_runs(world: World, launcher: Launcher) -> None:
    child = await a_child(world, RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000009"))

    assert await launcher.launch(child) is Launched.RUNNING


async def test_a_launch_where_there_is_no_payload_store_leaves_old_urls_as_they_are(
    world: World, told: Told, clock: ManualClock
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    stores, cluster = world.stores, world.cluster
    launcher = Launcher(
        stores.store, None, {cluster.name: cluster}, Settler(stores.store, told), clock
    )
    await clock.advance(run.valid_for.total_seconds())

    assert await launcher.launch(run) is Launched.RUNNING

    assert cluster.manifests[key] == msgspec.json.decode(run.manifest)


@pytest.mark.parametrize(("serialization", "renewed_by"), [("", "one"), ("backend", "two")])
async def test_the_url_of_a_payload_is_renewed_by_the_store_that_has_it(
    world: World, told: Told, clock: ManualClock, serialization: str, renewed_by: str
) -> None:
    key = await store_run(world)
    run = msgspec.structs.replace(await buffered(world, key), payload_serialization=serialization)
    stores, cluster, root = world.stores, world.cluster, world.folder
    async with a_folder(root, "one", clock) as one, a_folder(root, "two", clock) as two:
        launcher = Launcher(
            stores.store, one, {cluster.name: cluster}, Settler(stores.store, told), clock, two
        )
        await clock.advance(run.valid_for.total_seconds())

        assert await launcher.launch(run) is Launched.RUNNING

    assert (
        f"http://{renewed_by}/data/v1/payloads/"
        in msgspec.json.encode(cluster.manifests[key]).decode()
    )


def a_folder(
    root: Path, name: str, clock: ManualClock
) -> AbstractAsyncContextManager[PayloadStore]:
    """A payload store whose URLs show which one it is."""
    urls = SignedUrls(f"http://{name}", b"a secret of tests")
    return FolderPayloadStore.open(root / name, urls, clock)


async def test_a_launch_where_its_url_cannot_be_signed_leaves_old_urls_as_they_are(
    world: World, told: Told, clock: ManualClock
) -> None:
    key = await store_run(world)
    run = await buffered(world, key)
    stores, cluster = world.stores, world.cluster
    trouble = Trouble()
    trouble.breaks("download_url", error=InvalidInputError("schedulers share no secret"))
    payloads = trouble.befalls(stores).payloads
    launcher = Launcher(
        stores.store, payloads, {cluster.name: cluster}, Settler(stores.store, told), clock
    )
    await clock.advance(run.valid_for.total_seconds())

    assert await launcher.launch(run) is Launched.RUNNING

    assert cluster.manifests[key] == msgspec.json.decode(run.manifest)
