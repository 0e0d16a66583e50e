"""What a cluster tells of Jobs and pods: the reasons that runs are settled by."""

import asyncio
from collections.abc import Awaitable, Callable

from nexus_core.domain.observation import JobPhase
from nexus_core.ports.cluster import Cluster
from support.clusters import (
    FOR_EVER,
    IGNORE_DISRUPTION,
    Witness,
    a_manifest,
    a_run_key,
    exit_rule,
    until_gone,
)

PassTime = Callable[[float], Awaitable[None]]


async def test_a_pod_that_starts_is_told(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    handle = await cluster.create_job(key, a_manifest(key, FOR_EVER))

    told = await witness.sees(key, "Started")

    assert told.kind == "Pod"
    assert told.job_uid == handle.uid
    status = await cluster.find_job(key)
    assert status is not None
    assert status.started


async def test_a_job_that_completes_is_told_last(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key))

    told = await witness.sees_finished(key)

    assert told.reason == "Completed"
    assert told.exit_code == 0
    assert witness.reasons(key)[0] == "Started"


async def test_a_container_that_can_not_start_is_told(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    container = {"command": ["no-such-program-anywhere"]}
    await cluster.create_job(key, a_manifest(key, container=container))

    told = await witness.sees(key, "Failed")

    assert told.kind == "Pod"
    assert told.message
    status = await cluster.find_job(key)
    assert status is not None
    assert status.phase is JobPhase.ACTIVE
    assert not status.started


async def test_a_job_past_its_deadline_is_ended(
    cluster: Cluster, witness: Witness, pass_time: PassTime
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, FOR_EVER, activeDeadlineSeconds=1))
    await witness.sees(key, "Started")

    await pass_time(1)

    told = await witness.sees_finished(key)
    assert told.reason == "DeadlineExceeded"
    status = await cluster.find_job(key)
    assert status is not None
    assert status.phase is JobPhase.FAILED
    assert status.reason == "DeadlineExceeded"


async def test_a_failed_try_is_repeated_to_the_limit(
    cluster: Cluster, witness: Witness, pass_time: PassTime
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "exit 7", backoffLimit=1))

    await witness.sees(key, "Error")
    await pass_time(60)

    told = await witness.sees_finished(key)
    assert told.kind == "Job"
    assert told.reason == "BackoffLimitExceeded"
    assert told.exit_code == 7
    assert witness.reasons(key).count("Started") == 2


async def test_a_fatal_exit_code_fails_the_job_at_once(cluster: Cluster, witness: Witness) -> None:
    key = a_run_key()
    policy = {"rules": [IGNORE_DISRUPTION, exit_rule("FailJob", 3, 4), exit_rule("Ignore", 5)]}
    manifest = a_manifest(key, "exit 4", backoffLimit=5, podFailurePolicy=policy)
    await cluster.create_job(key, manifest)

    told = await witness.sees_finished(key)

    assert told.reason == "PodFailurePolicy"
    assert told.exit_code == 4
    assert "exit code 4" in told.message
    assert witness.reasons(key).count("Started") == 1


async def test_a_transient_exit_code_is_repeated_and_not_counted(
    cluster: Cluster, witness: Witness, pass_time: PassTime
) -> None:
    key = a_run_key()
    policy = {"rules": [IGNORE_DISRUPTION, exit_rule("FailJob", 3), exit_rule("Ignore", 5)]}
    manifest = a_manifest(key, "exit 5", backoffLimit=0, podFailurePolicy=policy)
    await cluster.create_job(key, manifest)

    await witness.sees(key, "Error")
    await pass_time(60)
    await witness.sees(key, "Error", times=2)

    status = await cluster.find_job(key)
    assert status is not None
    assert status.phase is JobPhase.ACTIVE


async def test_a_late_follower_is_told_what_still_can_be(
    cluster: Cluster, witness: Witness
) -> None:
    running, failed, refused = a_run_key("a"), a_run_key("b"), a_run_key("c")
    await cluster.create_job(running, a_manifest(running, FOR_EVER))
    await cluster.create_job(failed, a_manifest(failed, "exit 3"))
    await cluster.create_job(refused, a_manifest(refused, container={"command": ["/nowhere"]}))
    await witness.sees(running, "Started")
    await witness.sees_finished(failed)
    await witness.sees(refused, "Failed")

    async with Witness(cluster) as late:
        await late.sees(running, "Started")
        told = await late.sees(failed, "BackoffLimitExceeded")
        await late.sees(refused, "Failed")

    assert told == await witness.sees(failed, "BackoffLimitExceeded")


async def test_of_a_deleted_job_a_late_follower_hears_nothing(
    cluster: Cluster, witness: Witness
) -> None:
    deleted, kept = a_run_key(), a_run_key()
    await cluster.create_job(deleted, a_manifest(deleted, FOR_EVER))
    await witness.sees(deleted, "Started")
    await cluster.delete_job(deleted)
    await cluster.create_job(kept, a_manifest(kept, FOR_EVER))

    async with Witness(cluster) as late:
        await late.sees(kept, "Started")

        assert late.reasons(deleted) == []


async def test_a_follower_may_stop_listening(cluster: Cluster) -> None:
    async with Witness(cluster) as witness:
        await asyncio.sleep(0)

    assert witness.seen == []
    await cluster.ping()


async def test_a_finished_job_is_removed_when_its_time_is_over(
    cluster: Cluster, witness: Witness, pass_time: PassTime
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, ttlSecondsAfterFinished=2))
    await witness.sees_finished(key)
    assert await cluster.find_job(key) is not None

    await pass_time(2)
    await until_gone(cluster, key)
