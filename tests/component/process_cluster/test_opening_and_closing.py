"""How the cluster begins and ends, and what it says when it can't."""

import asyncio
from pathlib import Path

import psutil
import pytest

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.observation import JobPhase
from support.clock import ManualClock
from support.clusters import Witness, a_manifest, a_run_key
from support.processes import OpenCluster


@pytest.fixture
def in_the_way(root: Path) -> Path:
    root.write_text("a file where the folder should be")
    return root


async def test_a_folder_that_can_not_be_made_is_named(
    open_cluster: OpenCluster, in_the_way: Path
) -> None:
    with pytest.raises(UnavailableError, match=str(in_the_way)):
        async with open_cluster():
            pass


async def test_its_folders_may_be_given_from_where_we_are(
    tmp_path: Path, directory: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    key = a_run_key()
    opened = ProcessCluster.open(
        Path("here/cluster"), name="here", directory=Path(directory.name), clock=clock
    )
    async with opened as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, f'[ "$PWD" = "{directory}" ]'))

        assert (await witness.sees_finished(key)).exit_code == 0


async def test_a_file_that_somebody_left_among_the_jobs_is_passed_over(
    open_cluster: OpenCluster, root: Path
) -> None:
    note = root / "jobs" / ".DS_Store"
    note.parent.mkdir(parents=True)
    note.touch()

    async with open_cluster() as cluster:
        assert [status async for status in cluster.jobs()] == []

    assert note.exists()


async def test_a_closed_cluster_says_so(open_cluster: OpenCluster) -> None:
    key = a_run_key()
    async with open_cluster() as cluster:
        pass

    with pytest.raises(UnavailableError, match="closed"):
        await cluster.create_job(key, a_manifest(key))
    with pytest.raises(UnavailableError, match="closed"):
        await cluster.find_job(key)
    with pytest.raises(UnavailableError, match="closed"):
        await cluster.delete_job(key)
    with pytest.raises(UnavailableError, match="closed"):
        await cluster.ping()
    with pytest.raises(UnavailableError, match="closed"):
        await anext(aiter(cluster.jobs()))


async def test_followers_hear_that_the_cluster_was_closed(open_cluster: OpenCluster) -> None:
    async with open_cluster() as cluster:
        following = asyncio.ensure_future(anext(aiter(cluster.observe())))
        await asyncio.sleep(0)

    with pytest.raises(UnavailableError, match="closed"):
        await following


async def test_a_cluster_whose_folder_is_gone_says_so(cluster: ProcessCluster, root: Path) -> None:
    key = a_run_key()
    (root / "jobs").rmdir()

    with pytest.raises(UnavailableError):
        await cluster.ping()
    with pytest.raises(UnavailableError, match=str(key)):
        await cluster.create_job(key, a_manifest(key))
    assert await cluster.find_job(key) is None


async def test_a_part_that_fails_is_told_by_ping(cluster: ProcessCluster) -> None:
    cluster._services[0].cancel()
    await asyncio.wait({cluster._services[0]})

    with pytest.raises(UnavailableError, match="has failed"):
        await cluster.ping()


async def test_opening_can_be_cancelled_anywhere_and_leaves_nothing_behind(
    open_cluster: OpenCluster,
) -> None:
    us = psutil.Process()
    before = us.num_fds()

    async def open_and_close() -> None:
        async with open_cluster():
            await asyncio.sleep(0)

    for turns in range(12):
        opening = asyncio.create_task(open_and_close())
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait({opening})

    async with open_cluster() as cluster:
        await cluster.ping()
    assert us.num_fds() <= before


async def test_a_caller_who_gives_up_disturbs_nobody(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    creating = asyncio.create_task(cluster.create_job(key, a_manifest(key, "sleep 600")))
    await asyncio.sleep(0)
    creating.cancel()
    await asyncio.wait({creating})

    handle = await cluster.create_job(key, a_manifest(key, "sleep 600"))
    assert not handle.created
    await witness.sees(key, "Started")

    deleting = asyncio.create_task(cluster.delete_job(key))
    await asyncio.sleep(0)
    deleting.cancel()
    await asyncio.wait({deleting})

    await cluster.delete_job(key)
    assert await cluster.find_job(key) is None


async def test_a_job_that_is_being_deleted_is_created_anew_once_it_is_gone(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    first = await cluster.create_job(key, a_manifest(key, "sleep 600"))
    await witness.sees(key, "Started")

    deleting = asyncio.create_task(cluster.delete_job(key))
    await asyncio.sleep(0)
    second = await cluster.create_job(key, a_manifest(key, "sleep 600"))

    assert await deleting
    assert second.created
    assert second.uid != first.uid
    assert await cluster.find_job(key) is not None


async def test_a_slow_follower_is_told_again_what_it_missed(open_cluster: OpenCluster) -> None:
    keys = [a_run_key() for _ in range(5)]
    async with open_cluster(feed_backlog=3) as cluster, Witness(cluster) as witness:
        slow = aiter(cluster.observe())
        for key in keys:
            await cluster.create_job(key, a_manifest(key))
        first = await anext(slow)
        for key in keys:
            await witness.sees_finished(key)

        finished = {first.key} if first.phase is JobPhase.SUCCEEDED else set()
        async with asyncio.timeout(20):
            while finished != set(keys):
                told = await anext(slow)
                if told.phase is JobPhase.SUCCEEDED:
                    finished.add(told.key)
