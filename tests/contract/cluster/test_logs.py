"""Reading what runs printed."""

import asyncio

from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.cluster import Cluster, FollowedLog
from support.clusters import FOR_EVER, PATIENCE, PRINTING, a_manifest, a_run_key
from support.waiting import until_so
from tools.testbed.kubernetes.outcomes import PRINTED

LIMIT = 4096
WHOLE = "".join(f"{line}\n" for line in PRINTED)


async def a_failed_run(cluster: Cluster) -> RunKey:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, f"{PRINTING}exit 3"))

    async def has_failed() -> bool:
        job = await cluster.find_job(key)
        return job is not None and job.phase is JobPhase.FAILED

    await until_so(has_failed, PATIENCE)
    return key


async def has_printed_all(cluster: Cluster, key: RunKey) -> None:
    async def is_there() -> bool:
        tail = await cluster.log(key, LIMIT)
        return tail is not None and tail.text == WHOLE

    await until_so(is_there, PATIENCE)


async def test_what_a_failed_run_printed_is_told(cluster: Cluster) -> None:
    key = await a_failed_run(cluster)

    tail = await cluster.log(key, LIMIT)

    assert tail is not None
    assert tail.text == WHOLE
    assert not tail.truncated
    assert tail.pod.startswith(key.request_id)


async def test_of_what_is_longer_than_the_limit_the_end_is_told(
    cluster: Cluster,
) -> None:
    key = await a_failed_run(cluster)

    tail = await cluster.log(key, 10)

    assert tail is not None
    assert tail.text == WHOLE[-10:]
    assert tail.truncated


async def test_what_fits_the_limit_is_whole(cluster: Cluster) -> None:
    key = await a_failed_run(cluster)

    tail = await cluster.log(key, len(WHOLE))

    assert tail is not None
    assert (tail.text, tail.truncated) == (WHOLE, False)


async def test_what_a_run_has_printed_is_told_while_it_goes_on(cluster: Cluster) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, PRINTING + FOR_EVER))

    await has_printed_all(cluster, key)


async def test_a_run_without_a_job_has_no_log(cluster: Cluster) -> None:
    key = a_run_key()

    assert await cluster.log(key, LIMIT) is None
    async with cluster.follow_log(key, 10) as log:
        assert log is None


async def test_a_run_of_the_same_id_and_another_algorithm_has_no_log(
    cluster: Cluster,
) -> None:
    key = await a_failed_run(cluster)
    other = RunKey("other", key.request_id)

    assert await cluster.log(other, LIMIT) is None
    async with cluster.follow_log(other, 10) as log:
        assert log is None


async def test_the_log_goes_with_the_job(cluster: Cluster) -> None:
    key = await a_failed_run(cluster)

    await cluster.delete_job(key, CancellationPolicy.FOREGROUND)

    assert await cluster.log(key, LIMIT) is None
    async with cluster.follow_log(key, 10) as log:
        assert log is None


async def test_one_who_follows_is_told_the_last_lines_first(cluster: Cluster) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, PRINTING + FOR_EVER))
    await has_printed_all(cluster, key)

    async with cluster.follow_log(key, 1) as log:
        assert log is not None
        assert log.pod.startswith(key.request_id)
        assert await first(log) == f"{PRINTED[-1]}\n"


async def first(log: FollowedLog) -> str:
    async with asyncio.timeout(PATIENCE):
        return (await anext(log.chunks)).decode()
