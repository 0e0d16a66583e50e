"""What this cluster promises beyond the port, since nobody else acts in it and time is turned."""

import pytest

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.domain.request import CancellationPolicy
from support.clock import ManualClock
from support.clusters import FOR_EVER, Witness, a_manifest, a_run_key, until_gone


async def test_a_program_that_is_not_there_is_named(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    container = {"command": ["no-such-program-anywhere"]}
    await cluster.create_job(key, a_manifest(key, container=container))

    told = await witness.sees(key, "Failed")

    assert "no-such-program-anywhere" in told.message
    assert "executable file not found in $PATH" in told.message


async def test_a_failed_try_is_repeated_as_often_as_the_manifest_says(
    cluster: ProcessCluster, witness: Witness, clock: ManualClock
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "exit 7", backoffLimit=2))

    for attempt in (1, 2):
        await witness.sees(key, "Error", times=attempt)
        await clock.advance(60)

    told = await witness.sees_finished(key)
    assert told.kind == "Job"
    assert told.reason == "BackoffLimitExceeded"
    assert witness.reasons(key).count("Started") == 3


@pytest.mark.parametrize("policy", [CancellationPolicy.BACKGROUND, CancellationPolicy.FOREGROUND])
async def test_jobs_are_gone_with_their_owner_when_its_deletion_returns(
    cluster: ProcessCluster, policy: CancellationPolicy
) -> None:
    parent, child, grandchild = (a_run_key() for _ in range(3))
    owner = await cluster.create_job(parent, a_manifest(parent, FOR_EVER))
    manifest = a_manifest(child, FOR_EVER, owner=(parent, owner.uid))
    owned = await cluster.create_job(child, manifest)
    manifest = a_manifest(grandchild, FOR_EVER, owner=(child, owned.uid))
    await cluster.create_job(grandchild, manifest)

    await cluster.delete_job(parent, policy)

    assert [await cluster.find_job(key) for key in (parent, child, grandchild)] == [None] * 3


async def test_a_finished_job_stays_to_the_second(
    cluster: ProcessCluster, witness: Witness, clock: ManualClock
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, ttlSecondsAfterFinished=300))
    await witness.sees_finished(key)

    await clock.advance(299)
    assert await cluster.find_job(key) is not None

    await clock.advance(1)
    await until_gone(cluster, key)


async def test_jobs_are_gone_through_and_no_others(cluster: ProcessCluster) -> None:
    kept, deleted = a_run_key(), a_run_key()
    await cluster.create_job(kept, a_manifest(kept, FOR_EVER))
    await cluster.create_job(deleted, a_manifest(deleted, FOR_EVER))
    await cluster.delete_job(deleted)

    assert [status.key async for status in cluster.jobs()] == [kept]
