"""What runs print, for whoever may ask for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from structlog.testing import capture_logs

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.ports.cluster import FollowedLog
from nexus_core.settings.sections import Logs
from nexus_core.settings.values import Duration, Secret
from support.calls import PROBLEM, TEXT, UNKNOWN, Client, of
from support.clock import ManualClock, settle
from support.meddling import meddled
from support.receiver_client import metric
from support.runs import a_checkpoint
from support.services import World
from support.stored_runs import a_real_job, store_run
from support.waiting import until

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = 10.0


def kept(text: str, *, truncated: bool = False) -> LogTail:
    return LogTail(text=text, at=LONG_AGO, pod="pod-7", truncated=truncated)


async def a_run_that_prints(world: World, text: str, stage: Stage = Stage.RUNNING) -> RunKey:
    """Record a run whose Job is still there, finished or not."""
    key = await store_run(world, Stage.RUNNING)
    world.cluster.logs[key] = text
    if stage.finished:
        change = StageChange(to=stage, at=world.clock.now())
        await world.stores.store.advance(key, change)
    return key


def path_of(key: RunKey, query: str = "") -> str:
    return f"/algorithm/logs/{of(key)}" + (f"?{query}" if query else "")


async def test_what_a_run_prints_is_shown_while_it_goes_on(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\nzwölf\n")

    answer = await api.get(path_of(key))

    assert (answer.status, answer.content_type, answer.text) == (200, TEXT, "one\nzwölf\n")
    assert answer.headers["Nexus-Log-Source"] == "live"
    assert answer.headers["Nexus-Log-Pod"] == f"{key.request_id}-0"
    assert answer.headers["Nexus-Log-Truncated"] == "false"
    assert datetime.fromisoformat(answer.headers["Nexus-Log-Read-At"]).tzinfo is not None
    # What an algorithm printed is nothing that a browser may run, or anybody may keep.
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "shown", "truncated"),
    [
        ("tailLines=1", "three\n", "true"),
        ("tailLines=0", "", "true"),
        ("tailLines=10000", "one\ntwo\nthree\n", "false"),
        ("limitBytes=8", "o\nthree\n", "true"),
        ("limitBytes=8&tailLines=1", "three\n", "true"),
        ("follow=false", "one\ntwo\nthree\n", "false"),
    ],
)
@pytest.mark.parametrize("live", [True, False], ids=["live", "kept"])
async def test_the_end_is_shown_of_what_is_asked_for(
    world: World, api: Client, query: str, shown: str, truncated: str, *, live: bool
) -> None:
    key = await a_run_that_prints(world, "one\ntwo\nthree\n")
    if not live:
        world.cluster.lose(key)
        await world.stores.journal.keep_log(key, kept("one\ntwo\nthree\n"))

    answer = await api.get(path_of(key, query))

    assert (answer.text, answer.headers["Nexus-Log-Truncated"]) == (shown, truncated)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tailLines=-1", "tailLines"),
        ("tailLines=10001", "tailLines"),
        ("tailLines=all", "tailLines"),
        ("tailLines=", "tailLines"),
        ("limitBytes=0", "limitBytes"),
        ("limitBytes=1048577", "limitBytes"),
        ("limitBytes=1Mi", "limitBytes"),
        ("follow=yes", "follow"),
        ("follow=true&limitBytes=10", "limitBytes"),
    ],
)
async def test_what_can_not_be_asked_for_is_refused(
    world: World, api: Client, query: str, field: str
) -> None:
    key = await a_run_that_prints(world, "one\n")

    answer = await api.get(path_of(key, query))

    assert (answer.status, answer.content_type, answer.fields) == (400, PROBLEM, [field])


async def test_what_was_kept_is_shown_when_the_job_is_gone(world: World, api: Client) -> None:
    key = await store_run(world, Stage.FAILED)
    await world.stores.journal.keep_log(key, kept("the end\n", truncated=True))

    for query in ("", "follow=true"):
        answer = await api.get(path_of(key, query))

        assert (answer.status, answer.text) == (200, "the end\n")
        assert answer.headers["Nexus-Log-Source"] == "kept"
        assert answer.headers["Nexus-Log-Pod"] == "pod-7"
        assert answer.headers["Nexus-Log-Truncated"] == "true"
        assert answer.headers["Nexus-Log-Read-At"] == "2026-01-01T00:00:00+00:00"


async def test_a_pod_that_is_still_there_tells_more_than_what_was_kept_of_it(
    world: World, api: Client
) -> None:
    key = await a_run_that_prints(world, "one\ntwo\n", Stage.FAILED)
    await world.stores.journal.keep_log(key, kept("two\n", truncated=True))

    assert (await api.get(path_of(key))).text == "one\ntwo\n"


async def test_where_all_was_kept_no_cluster_is_asked(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\n", Stage.FAILED)
    await world.stores.journal.keep_log(key, kept("one\n"))

    answer = await api.get(path_of(key))

    assert answer.headers["Nexus-Log-Source"] == "kept"
    assert world.cluster.log_reads == []


@pytest.mark.parametrize(
    ("stage", "why"),
    [
        (Stage.NEW, "is NEW: it has not started"),
        (Stage.BUFFERED, "is BUFFERED: it has not started"),
        (Stage.RUNNING, "no pod of it that is left has printed anything yet"),
        (Stage.COMPLETED, "it printed nothing, or its pod is gone"),
        (Stage.CANCELLED, "it printed nothing, or its pod is gone"),
        (Stage.FAILED, "no log of it is kept"),
        (Stage.DEADLINE_EXCEEDED, "no log of it is kept"),
        (Stage.SCHEDULING_FAILED, "never started, and printed nothing"),
    ],
)
async def test_where_there_is_no_log_it_is_said_why(
    world: World, api: Client, stage: Stage, why: str
) -> None:
    key = await store_run(world, stage)

    for query in ("", "follow=true"):
        answer = await api.get(path_of(key, query))

        assert (answer.status, answer.content_type) == (404, PROBLEM)
        assert why in answer.json()["detail"]


async def test_a_run_that_ends_while_its_log_is_looked_for_is_not_said_to_go_on(
    world: World, api: Client
) -> None:
    key = await a_run_that_prints(world, "one\n")
    world.cluster.log_gate.clear()
    asking = asyncio.create_task(api.get(path_of(key)))
    await until(lambda: world.cluster.log_reads)
    await world.stores.store.advance(key, StageChange(to=Stage.COMPLETED, at=world.clock.now()))
    world.cluster.lose(key)
    world.cluster.log_gate.set()

    assert "is COMPLETED, and there is no log of it" in (await asking).json()["detail"]


async def test_a_run_on_a_cluster_of_other_schedulers_is_not_said_to_have_printed_nothing(
    world: World, api: Client
) -> None:
    checkpoint = a_checkpoint()
    await world.stores.store.accept(checkpoint, a_real_job(checkpoint, "elsewhere"))
    change = StageChange(to=Stage.FAILED, at=world.clock.now())
    await world.stores.store.advance(checkpoint.key, change)

    for query in ("", "follow=true"):
        answer = await api.get(path_of(checkpoint.key, query))
        assert answer.status == 404
        assert "on cluster 'elsewhere', which this scheduler does not reach" in answer.text

    await world.stores.journal.keep_log(checkpoint.key, kept("the end\n", truncated=True))
    assert (await api.get(path_of(checkpoint.key))).text == "the end\n"


async def test_an_unknown_run_has_no_log(api: Client) -> None:
    for query in ("", "follow=true"):
        answer = await api.get(path_of(UNKNOWN, query))

        assert (answer.status, answer.content_type) == (404, PROBLEM)
        assert "there is no run" in answer.json()["detail"]


async def test_a_cluster_that_is_away_is_to_be_asked_again(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\n")
    world.cluster.log_refusal = UnavailableError("the cluster is away", retry_after=60)

    for query in ("", "follow=true"):
        answer = await api.get(path_of(key, query))

        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        assert "the cluster is away" in answer.json()["detail"]


async def test_a_cluster_that_is_away_hides_nothing_that_was_kept(
    world: World, api: Client
) -> None:
    key = await a_run_that_prints(world, "one\ntwo\n", Stage.FAILED)
    await world.stores.journal.keep_log(key, kept("two\n", truncated=True))
    world.cluster.log_refusal = UnavailableError("the cluster is away")

    for query in ("", "follow=true"):
        answer = await api.get(path_of(key, query))

        assert (answer.status, answer.text) == (200, "two\n")


async def test_v1_knows_nothing_of_logs(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\n")

    assert (await api.get(f"/algorithm/v1/logs/{of(key)}")).status == 404


async def test_a_log_is_for_those_who_have_a_token(world: World) -> None:
    key = await a_run_that_prints(world, "one\n")
    async with world.scheduler(api_tokens=(Secret("sesame"),)) as url:
        api = Client(world.session, url)
        assert (await api.get(path_of(key))).status == 401
        welcome = {"Authorization": "Bearer sesame"}
        assert (await api.get(path_of(key), headers=welcome)).text == "one\n"


# Following.


class Follower:
    """A client that follows the log of a run."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def told(self) -> str:
        async with asyncio.timeout(PATIENCE):
            return (await self.response.content.readany()).decode()

    async def is_cut_off(self) -> None:
        with pytest.raises(aiohttp.ClientError):
            assert not await self.told()


@asynccontextmanager
async def follower(
    world: World, url: str, key: RunKey, query: str = "follow=true"
) -> AsyncIterator[Follower]:
    async with world.session.get(url + path_of(key, query)) as response:
        yield Follower(response)


async def test_who_follows_is_told_what_comes_until_the_pod_ends(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\ntwo\n")

    async with follower(world, api.url, key, "follow=true&tailLines=1") as client:
        assert client.response.status == 200
        assert client.response.content_type == TEXT
        assert client.response.headers["Nexus-Log-Source"] == "live"
        assert client.response.headers["Nexus-Log-Pod"] == f"{key.request_id}-0"
        assert await client.told() == "two\n"
        [reader] = world.cluster.readers
        reader.put_nowait("three\n")
        assert await client.told() == "three\n"
        reader.put_nowait(None)
        # In order: nothing is raised.
        assert await client.told() == ""

    assert world.cluster.readers == set()


async def test_what_breaks_off_is_cut_off(world: World, api: Client) -> None:
    key = await a_run_that_prints(world, "one\n")

    async with follower(world, api.url, key) as client:
        assert await client.told() == "one\n"
        [reader] = world.cluster.readers
        reader.put_nowait(UnavailableError("the node is away"))
        await client.is_cut_off()


async def test_who_follows_is_let_go_after_a_time(still_world: World, clock: ManualClock) -> None:
    world, key = still_world, await a_run_that_prints(still_world, "one\n")
    async with world.scheduler(logs=Logs(follow_limit=Duration(60))) as url:
        async with follower(world, url, key) as client:
            assert await client.told() == "one\n"
            await clock.advance(59)
            assert world.cluster.readers
            await clock.advance(1)
            await client.is_cut_off()
        await until(lambda: not world.cluster.readers)


async def test_who_leaves_is_followed_no_more(still_world: World, clock: ManualClock) -> None:
    world, key = still_world, await a_run_that_prints(still_world, "one\n")
    async with world.scheduler() as url:
        async with follower(world, url, key) as client:
            assert await client.told() == "one\n"
            client.response.close()

        async def is_noticed() -> None:
            while world.cluster.readers:
                await clock.advance(1)
                await asyncio.sleep(0.001)

        async with asyncio.timeout(PATIENCE):
            await is_noticed()


async def test_who_leaves_before_anything_is_told_is_no_fault(world: World) -> None:
    key, cluster = await a_run_that_prints(world, "one\n"), world.cluster
    has_begun, has_left, is_over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def slow(key: RunKey, lines: int) -> AsyncIterator[FollowedLog | None]:
        has_begun.set()
        await has_left.wait()
        try:
            async with cluster.follow_log(key, lines) as found:
                yield found
        finally:
            is_over.set()

    world.cluster = meddled(cluster, follow_log=slow)
    with capture_logs() as told:
        async with world.scheduler() as url:
            path = path_of(key, "follow=true")
            request = f"GET {path} HTTP/1.1\r\nHost: nexus\r\n\r\n".encode()
            await Client(world.session, url).send_and_leave(request, after=has_begun)
            await settle()
            has_left.set()
            async with asyncio.timeout(PATIENCE):
                await is_over.wait()
    assert {line["log_level"] for line in told} <= {"debug", "info"}


async def test_a_service_that_stops_does_not_wait_for_those_who_follow(world: World) -> None:
    key = await a_run_that_prints(world, "one\n")
    async with asyncio.timeout(PATIENCE):
        async with world.scheduler(drain_timeout=Duration(600)) as url:
            response = await world.session.get(url + path_of(key, "follow=true"))
            assert await Follower(response).told() == "one\n"
        await Follower(response).is_cut_off()
        response.close()


async def test_no_more_than_so_many_read_at_once(world: World) -> None:
    key = await a_run_that_prints(world, "one\n")
    async with world.scheduler(logs=Logs(readers=1)) as url:
        api = Client(world.session, url)
        async with follower(world, url, key) as client:
            assert await client.told() == "one\n"
            assert await metric(api, "nexus_scheduler_log_readers") == 1
            for query in ("", "follow=true"):
                refused = await api.get(path_of(key, query))
                assert (refused.status, refused.headers["Retry-After"]) == (429, "5")
            [reader] = world.cluster.readers
            reader.put_nowait(None)
            assert await client.told() == ""
        assert (await api.get(path_of(key))).text == "one\n"


async def test_a_log_that_is_kept_while_it_is_looked_for_is_found(
    world: World, api: Client
) -> None:
    key = await a_run_that_prints(world, "one\n")
    # The run was still going on when it was looked up, and its Job is gone by now.
    world.cluster.lose(key)
    await world.stores.journal.keep_log(key, kept("one\n"))

    answer = await api.get(path_of(key))

    assert (answer.status, answer.text) == (200, "one\n")
    assert answer.headers["Nexus-Log-Source"] == "kept"
