"""Creating, finding and deleting Jobs."""

import asyncio
import math

import pytest

from nexus_core.domain.errors import ConflictError, HeldUpError, JobRejectedError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.cluster import Cluster
from support.clusters import FOR_EVER, Witness, a_manifest, a_run_key, until_gone


async def test_a_new_job_is_created_and_found(cluster: Cluster) -> None:
    key = a_run_key()

    handle = await cluster.create_job(key, a_manifest(key, FOR_EVER))

    assert handle.created
    status = await cluster.find_job(key)
    assert status is not None
    assert status.uid == handle.uid
    assert status.key == key
    assert status.phase is JobPhase.ACTIVE


async def test_creating_a_job_twice_is_one_job(cluster: Cluster) -> None:
    key = a_run_key()
    first = await cluster.create_job(key, a_manifest(key, FOR_EVER))

    second = await cluster.create_job(key, a_manifest(key, FOR_EVER))

    assert not second.created
    assert second.uid == first.uid


async def test_a_job_that_was_held_up_too_long_is_not_created(cluster: Cluster) -> None:
    key = a_run_key()

    with pytest.raises(HeldUpError):
        await cluster.create_job(key, a_manifest(key, FOR_EVER), send_by=0.0)

    assert await cluster.find_job(key) is None
    in_time = await cluster.create_job(key, a_manifest(key, FOR_EVER), send_by=math.inf)
    assert in_time.created


async def test_of_many_who_create_the_same_job_at_once_one_does(cluster: Cluster) -> None:
    key = a_run_key()

    handles = await asyncio.gather(
        *(cluster.create_job(key, a_manifest(key, FOR_EVER)) for _ in range(8))
    )

    assert sum(handle.created for handle in handles) == 1
    assert len({handle.uid for handle in handles}) == 1


async def test_a_job_of_another_algorithms_run_is_a_conflict(cluster: Cluster) -> None:
    key = a_run_key("first")
    await cluster.create_job(key, a_manifest(key, FOR_EVER))
    other = RunKey("second", key.request_id)

    with pytest.raises(ConflictError):
        await cluster.create_job(other, a_manifest(other, FOR_EVER))

    assert await cluster.find_job(other) is None
    assert not await cluster.delete_job(other)
    assert await cluster.find_job(key) is not None


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{", b"[]", b'{"apiVersion": "batch/v1", "kind": "Job"}', b'{"kind": "Pod"}'],
)
async def test_what_is_no_job_is_rejected_and_leaves_nothing(
    cluster: Cluster, manifest: bytes
) -> None:
    key = a_run_key()

    with pytest.raises(JobRejectedError):
        await cluster.create_job(key, manifest)

    assert await cluster.find_job(key) is None


async def test_an_unknown_job_is_not_found(cluster: Cluster) -> None:
    assert await cluster.find_job(a_run_key()) is None


async def test_a_job_that_ends_well_has_succeeded(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "exit 0"))

    await witness.sees(key, "Completed", times=2)

    status = await cluster.find_job(key)
    assert status is not None
    assert status.phase is JobPhase.SUCCEEDED
    assert status.started
    assert status.finished_at is not None
    assert status.reason == ""
    assert status.exit_code == 0


async def test_a_job_that_fails_says_why(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "exit 3"))

    await witness.sees(key, "BackoffLimitExceeded")

    status = await cluster.find_job(key)
    assert status is not None
    assert status.phase is JobPhase.FAILED
    assert status.reason == "BackoffLimitExceeded"
    assert status.message
    assert status.exit_code == 3
    assert status.termination_reason == "Error"


async def test_a_deleted_job_is_gone(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, FOR_EVER))
    await witness.sees(key, "Started")

    assert await cluster.delete_job(key, CancellationPolicy.FOREGROUND)

    assert await cluster.find_job(key) is None
    assert not await cluster.delete_job(key)


async def test_a_finished_job_can_be_deleted(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key))
    await witness.sees_finished(key)

    assert await cluster.delete_job(key, CancellationPolicy.FOREGROUND)

    assert await cluster.find_job(key) is None


async def test_deleting_an_unknown_job_changes_nothing(cluster: Cluster) -> None:
    assert not await cluster.delete_job(a_run_key())


async def test_many_may_delete_the_same_job_at_once(cluster: Cluster) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, FOR_EVER))

    answers = await asyncio.gather(*(cluster.delete_job(key) for _ in range(4)))

    assert any(answers)
    assert await cluster.find_job(key) is None


async def test_a_deleted_job_can_be_created_anew(cluster: Cluster) -> None:
    key = a_run_key()
    first = await cluster.create_job(key, a_manifest(key, FOR_EVER))
    await cluster.delete_job(key, CancellationPolicy.FOREGROUND)

    second = await cluster.create_job(key, a_manifest(key, FOR_EVER))

    assert second.created
    assert second.uid != first.uid


@pytest.mark.parametrize("policy", [CancellationPolicy.BACKGROUND, CancellationPolicy.FOREGROUND])
async def test_jobs_go_with_the_job_that_owns_them(
    cluster: Cluster, policy: CancellationPolicy
) -> None:
    parent, child, grandchild, stranger = (a_run_key() for _ in range(4))
    owner = await cluster.create_job(parent, a_manifest(parent, FOR_EVER))
    owned = await cluster.create_job(child, a_manifest(child, FOR_EVER, owner=(parent, owner.uid)))
    await cluster.create_job(grandchild, a_manifest(grandchild, FOR_EVER, owner=(child, owned.uid)))
    await cluster.create_job(stranger, a_manifest(stranger, FOR_EVER))

    await cluster.delete_job(parent, policy)

    assert await cluster.find_job(parent) is None
    await until_gone(cluster, child)
    await until_gone(cluster, grandchild)
    assert await cluster.find_job(stranger) is not None


async def test_orphaned_jobs_run_on(cluster: Cluster) -> None:
    parent, child = a_run_key(), a_run_key()
    owner = await cluster.create_job(parent, a_manifest(parent, FOR_EVER))
    await cluster.create_job(child, a_manifest(child, FOR_EVER, owner=(parent, owner.uid)))

    await cluster.delete_job(parent, CancellationPolicy.ORPHAN)

    assert await cluster.find_job(parent) is None
    status = await cluster.find_job(child)
    assert status is not None
    assert status.phase is JobPhase.ACTIVE


async def test_all_jobs_are_gone_through(cluster: Cluster, witness: Witness) -> None:
    running, finished, deleted = a_run_key("a"), a_run_key("b"), a_run_key("c")
    await cluster.create_job(running, a_manifest(running, FOR_EVER))
    await cluster.create_job(finished, a_manifest(finished))
    await cluster.create_job(deleted, a_manifest(deleted, FOR_EVER))
    await witness.sees_finished(finished)
    await cluster.delete_job(deleted)

    ours = {running, finished, deleted}
    phases = {status.key: status.phase async for status in cluster.jobs() if status.key in ours}

    assert phases == {running: JobPhase.ACTIVE, finished: JobPhase.SUCCEEDED}


async def test_it_answers(cluster: Cluster) -> None:
    assert cluster.name
    await cluster.ping()


async def test_its_silence_tells_since_when_nothing_was_heard(
    cluster: Cluster, witness: Witness
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, FOR_EVER))
    await witness.sees(key, "Started")

    silence = cluster.silence()

    assert silence is not None
    assert silence < 60
