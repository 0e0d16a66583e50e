"""Reading what runs printed."""

import asyncio

from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.cluster import Cluster, FollowedLog
from support.clusters import FOR_EVER, PATIENCE, PRINTING, Witness, a_manifest, a_run_key
from tools.testbed.kubernetes.outcomes import PRINTED

LIMIT = 4096
WHOLE = "".join(f"{line}\n" for line in PRINTED)


async def a_failed_run(cluster: Cluster, witness: Witness, script: str = PRINTING) -> RunKey:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, f"{script}exit 3"))
    await witness.sees(key, "BackoffLimitExceeded")
    return key


async def printed(cluster: Cluster, key: RunKey) -> LogTail:
    """Wait until a run has printed all that it prints."""
    async with asyncio.timeout(PATIENCE):
        while True:
            tail = await cluster.log(key, LIMIT)
            if tail is not None and tail.text == WHOLE:
                return tail
            await asyncio.sleep(0.01)


async def test_what_a_failed_run_printed_is_told(cluster: Cluster, witness: Witness) -> None:
    key = await a_failed_run(cluster, witness)

    tail = await cluster.log(key, LIMIT)

    assert tail is not None
    assert tail.text == WHOLE
    assert not tail.truncated
    assert tail.pod.startswith(key.request_id)


async def test_of_what_is_longer_than_the_limit_the_end_is_told(
    cluster: Cluster, witness: Witness
) -> None:
    key = await a_failed_run(cluster, witness)

    tail = await cluster.log(key, 10)

    assert tail is not None
    assert tail.text == WHOLE[-10:]
    assert tail.truncated


async def test_what_fits_the_limit_is_whole(cluster: Cluster, witness: Witness) -> None:
    key = await a_failed_run(cluster, witness)

    tail = await cluster.log(key, len(WHOLE))

    assert tail is not None
    assert (tail.text, tail.truncated) == (WHOLE, False)


async def test_what_a_run_has_printed_is_told_while_it_goes_on(cluster: Cluster) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, PRINTING + FOR_EVER))

    assert not (await printed(cluster, key)).truncated


async def test_a_run_without_a_job_has_no_log(cluster: Cluster) -> None:
    key = a_run_key()

    assert await cluster.log(key, LIMIT) is None
    async with cluster.follow_log(key, 10) as log:
        assert log is None


async def test_a_run_of_the_same_id_and_another_algorithm_has_no_log(
    cluster: Cluster, witness: Witness
) -> None:
    key = await a_failed_run(cluster, witness)
    other = RunKey("other", key.request_id)

    assert await cluster.log(other, LIMIT) is None
    async with cluster.follow_log(other, 10) as log:
        assert log is None


async def test_a_run_whose_container_never_started_has_no_log(
    cluster: Cluster, witness: Witness
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, container={"command": ["/no/such/program"]}))
    await witness.sees(key, "Failed")

    assert await cluster.log(key, LIMIT) is None
    async with cluster.follow_log(key, 10) as log:
        assert log is None


async def test_the_log_goes_with_the_job(cluster: Cluster, witness: Witness) -> None:
    key = await a_failed_run(cluster, witness)

    await cluster.delete_job(key, CancellationPolicy.FOREGROUND)

    assert await cluster.log(key, LIMIT) is None
    async with cluster.follow_log(key, 10) as log:
        assert log is None


async def test_one_who_follows_is_told_the_last_lines_first(cluster: Cluster) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, PRINTING + FOR_EVER))
    await printed(cluster, key)

    async with cluster.follow_log(key, 1) as log:
        assert log is not None
        assert log.pod.startswith(key.request_id)
        assert await first(log) == f"{PRINTED[-1]}\n"


async def first(log: FollowedLog) -> str:
    async with asyncio.timeout(PATIENCE):
        return (await anext(log.chunks)).decode()
