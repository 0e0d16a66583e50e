"""The cluster that several processes of a world reach: what is said of it must be what it said."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from aiohttp.test_utils import TestServer

from chaos.remote_cluster import RemoteCluster, serve
from nexus_core.domain.errors import JobRejectedError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobStatus
from nexus_core.ports.cluster import Cluster
from nexus_core.settings.values import ByteSize
from support.clock import ManualClock
from support.meddling import meddled
from support.scripted_cluster import ScriptedCluster
from support.waiting import until

RUN = RunKey("hello-world", "01a214ba-9848-74ea-a37b-6260a5c9379e")
OTHER = RunKey("hello-world", "01a214ba-9848-74ea-a37b-6260a5c9379f")
MANIFEST = b'{"metadata": {}}'


@pytest.fixture
def cluster(clock: ManualClock) -> ScriptedCluster:
    return ScriptedCluster(clock)


@asynccontextmanager
async def reached(cluster: Cluster) -> AsyncIterator[RemoteCluster]:
    async with (
        TestServer(serve(cluster)) as server,
        RemoteCluster.open("chaos", str(server.make_url("")).rstrip("/")) as remote,
    ):
        yield remote


async def test_what_is_asked_and_answered_is_the_same_from_afar(cluster: ScriptedCluster) -> None:
    async with reached(cluster) as remote:
        handle = await remote.create_job(RUN, MANIFEST)
        assert await remote.find_job(RUN) == await cluster.find_job(RUN)
        assert handle.created
        assert [job.key async for job in remote.jobs()] == [RUN]
        assert await remote.find_job(OTHER) is None
        assert await remote.log(RUN, ByteSize(4096)) == await cluster.log(RUN, 4096)
        assert await remote.delete_job(RUN)
        assert cluster.living == set()


@pytest.mark.parametrize("error", [UnavailableError("not now"), JobRejectedError("a bad name")])
async def test_a_refusal_keeps_its_meaning_and_its_words(
    cluster: ScriptedCluster, error: Exception
) -> None:
    cluster.creation_refusal = error
    async with reached(cluster) as remote:
        with pytest.raises(type(error), match=str(error)):
            await remote.create_job(RUN, MANIFEST)


async def test_a_list_that_breaks_off_is_not_taken_for_whole(cluster: ScriptedCluster) -> None:
    await cluster.create_job(RUN, MANIFEST)

    async def breaking_off() -> AsyncGenerator[JobStatus, None]:
        async for job in cluster.jobs():
            yield job
        raise UnavailableError("closed")

    async with reached(meddled(cluster, jobs=breaking_off)) as remote:
        with pytest.raises(UnavailableError):
            assert [job async for job in remote.jobs()] == []


async def test_who_follows_from_afar_hears_what_happens_and_that_it_hears(
    cluster: ScriptedCluster,
) -> None:
    async with reached(cluster) as remote, aclosing(remote.observe()) as feed:
        heard = asyncio.ensure_future(anext(feed))
        await until(lambda: cluster.followers)
        cluster.mention(RUN, "ContainerCreating")
        assert (await heard).key == RUN
        assert remote.silence() is not None
    assert remote.silence() is None
