"""What the tries of a Job print, while they run and afterwards."""

import asyncio
from pathlib import Path
from typing import Any

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.domain.names import RunKey
from nexus_core.ports.cluster import FollowedLog
from support.clock import ManualClock
from support.clusters import FOR_EVER, PATIENCE, a_manifest, a_run_key
from support.processes import OpenCluster, until
from support.waiting import until_so

LIMIT = 4096
UNTIL_TOLD = "while [ ! -e go ]; do sleep 0.01; done"


async def a_run(cluster: ProcessCluster, script: str, **changes: Any) -> RunKey:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, script, **changes))
    return key


async def has_printed(cluster: ProcessCluster, key: RunKey, text: str) -> None:
    async def is_there() -> bool:
        tail = await cluster.log(key, LIMIT)
        return tail is not None and tail.text == text

    await until_so(is_there, PATIENCE)


async def next_of(log: FollowedLog) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return await anext(log.chunks)


async def rest_of(log: FollowedLog) -> bytes:
    async with asyncio.timeout(PATIENCE):
        return b"".join([chunk async for chunk in log.chunks])


async def test_both_outputs_are_one_log(cluster: ProcessCluster) -> None:
    key = await a_run(cluster, "echo out; echo err >&2; echo out again")

    await has_printed(cluster, key, "out\nerr\nout again\n")


async def test_a_try_that_printed_nothing_leaves_the_log_of_the_one_before(
    cluster: ProcessCluster, clock: ManualClock
) -> None:
    once = "[ -e tried ] && exec sleep 600; touch tried; echo it crashed; exit 1"
    key = await a_run(cluster, once, backoffLimit=3)
    await has_printed(cluster, key, "it crashed\n")
    first = await cluster.log(key, LIMIT)
    await until(lambda: clock.sleepers)

    await clock.advance(60)

    async def is_tried_again() -> bool:
        async with cluster.follow_log(key, 1) as log:
            return log is not None and log.pod.endswith("-1")

    await until_so(is_tried_again, PATIENCE)
    assert first is not None
    assert first.pod.endswith("-0")
    again = await cluster.log(key, LIMIT)
    assert again is not None
    assert (again.text, again.pod) == (first.text, first.pod)


async def test_who_follows_is_told_what_comes_until_the_try_ends(
    cluster: ProcessCluster, directory: Path
) -> None:
    key = await a_run(cluster, f"echo one; echo two; {UNTIL_TOLD}; printf three; exit 3")
    await has_printed(cluster, key, "one\ntwo\n")

    async with cluster.follow_log(key, 1) as log:
        assert log is not None
        assert await next_of(log) == b"two\n"
        (directory / "go").touch()
        assert await rest_of(log) == b"three"


async def test_who_follows_no_lines_is_told_what_comes_alone(
    cluster: ProcessCluster, directory: Path
) -> None:
    key = await a_run(cluster, f"echo one; {UNTIL_TOLD}; echo two")
    await has_printed(cluster, key, "one\n")

    async with cluster.follow_log(key, 0) as log:
        assert log is not None
        (directory / "go").touch()
        assert await rest_of(log) == b"two\n"


async def test_who_follows_a_try_that_has_ended_is_told_its_last_lines(
    cluster: ProcessCluster,
) -> None:
    key = await a_run(cluster, "echo one; echo two; exit 3")
    await has_printed(cluster, key, "one\ntwo\n")

    async with cluster.follow_log(key, 100) as log:
        assert log is not None
        assert await rest_of(log) == b"one\ntwo\n"


async def test_what_is_followed_ends_when_its_job_is_deleted(cluster: ProcessCluster) -> None:
    key = await a_run(cluster, f"echo one; {FOR_EVER}")
    await has_printed(cluster, key, "one\n")

    async with cluster.follow_log(key, 100) as log:
        assert log is not None
        assert await next_of(log) == b"one\n"
        await cluster.delete_job(key)
        assert await rest_of(log) == b""


async def test_a_restart_leaves_logs_as_they_are(open_cluster: OpenCluster) -> None:
    async with open_cluster() as cluster:
        key = await a_run(cluster, "echo one; exit 3")
        await has_printed(cluster, key, "one\n")

    async with open_cluster() as cluster:
        await has_printed(cluster, key, "one\n")
