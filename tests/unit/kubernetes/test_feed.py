"""The feed of a cluster, whose parts come by watches of their own and not always."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import msgspec
import pytest
from aiohttp import web

from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.domain.observation import JobPhase, JobStatus
from support.clock import ManualClock
from support.kubernetes import connected
from support.recorded_runs import FOLDER, recorded
from support.scripted_api_server import (
    Handler,
    ScriptedApiServer,
    a_list,
    a_status,
    a_stream,
    json_answer,
    scripted_api_server,
)
from support.waiting import until

FORBIDDEN = json_answer(403, a_status(403, "Forbidden", 'User "me" cannot watch'))
EMPTY = a_list(version=1)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiServer]:
    async with scripted_api_server() as server:
        server.streams(a_stream(goes_on=True))
        yield server


def by_path(**answers: Handler) -> Handler:
    """Answer lists of jobs, pods and events each in its way."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await answers[request.path.rpartition("/")[2]](request)

    return answer


def the(kind: str, name: str) -> Handler:
    """Return a list of what was recorded of a run."""
    found = msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())[kind]
    return a_list(*(found if isinstance(found, list) else [found]), version=1)


async def told(server: ScriptedApiServer, clock: ManualClock, number: int) -> list[JobStatus]:
    """Return the first things that a follower is told."""
    async with connected(server.url, clock) as connection:
        cluster = KubernetesCluster("eu", connection, clock, namespace="runs")
        async with aclosing(cluster.observe()) as feed:
            return [await anext(feed) for _ in range(number)]


async def test_what_is_there_is_told_of_once_with_its_pods(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(by_path(jobs=the("job", "fatal"), pods=the("pods", "fatal"), events=EMPTY))
    (seen,) = await told(server, clock, 1)
    assert (seen.reason, seen.exit_code) == ("PodFailurePolicy", 4)
    assert len(seen.pods) == 1


async def test_pods_are_asked_for_where_the_watch_of_them_is_behind(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    pods = the("pods", "out-of-memory")

    async def behind(request: web.Request) -> web.StreamResponse:
        asked = "job-name" in request.query["labelSelector"]
        return await (pods if asked else EMPTY)(request)

    server.lists(by_path(jobs=the("job", "out-of-memory"), pods=behind, events=EMPTY))
    (seen,) = await told(server, clock, 1)
    assert seen.reason == "BackoffLimitExceeded"
    assert seen.termination_reason == "OOMKilled"


async def test_without_its_pods_the_end_of_a_job_is_told_all_the_same(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(by_path(jobs=the("job", "fatal"), pods=_forbidden_when_asked, events=EMPTY))
    (seen,) = await told(server, clock, 1)
    assert (seen.reason, seen.exit_code) == ("PodFailurePolicy", None)


async def _forbidden_when_asked(request: web.Request) -> web.StreamResponse:
    asked = "job-name" in request.query["labelSelector"]
    return await (FORBIDDEN if asked else EMPTY)(request)


async def test_what_can_not_be_watched_holds_up_the_rest_for_a_moment_only(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(by_path(jobs=the("job", "runs"), pods=the("pods", "runs"), events=FORBIDDEN))
    async with connected(server.url, clock) as connection:
        cluster = KubernetesCluster("eu", connection, clock, namespace="runs")
        async with aclosing(cluster.observe()) as feed:
            first = asyncio.ensure_future(anext(feed))
            await until(lambda: clock.sleepers >= 2)
            await clock.advance(9)
            assert not first.done()
            while not first.done():
                await clock.advance(1)
            assert (await first).phase is JobPhase.ACTIVE
            assert (await first).started
            assert (await first).key == recorded("runs").key


async def test_silence_is_measured_while_somebody_follows(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(by_path(jobs=the("job", "runs"), pods=the("pods", "runs"), events=EMPTY))
    async with connected(server.url, clock) as connection:
        cluster = KubernetesCluster("eu", connection, clock, namespace="runs")
        assert cluster.silence() is None
        async with aclosing(cluster.observe()) as feed:
            await anext(feed)
            assert cluster.silence() == 0
            await clock.advance(5)
            assert cluster.silence() == 5
        assert cluster.silence() is None
