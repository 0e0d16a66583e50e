"""Following objects through everything that goes wrong with watches."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.adapters.kubernetes.watch import Applied, Deleted, Listed, Pace, Watch
from support.clock import ManualClock
from support.kubernetes import connected
from support.scripted_api_server import (
    Handler,
    ScriptedApiServer,
    a_bookmark,
    a_cut_stream,
    a_list,
    a_page,
    a_status,
    a_stream,
    an_event,
    an_object,
    hang_up,
    json_answer,
    keep_silent,
    scripted_api_server,
)
from support.waiting import until

PATH = "/apis/example.test/v1/namespaces/nexus/things"
GOES_ON = a_stream(goes_on=True)


class Thing(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    size: int = 0


class HastyClock(ManualClock):
    """Whoever sleeps wakes at once, much later; each pause is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._elapsed += seconds
        await asyncio.sleep(0)


@dataclass
class Follower:
    """One who follows in the background, and writes down what is told."""

    watch: Watch[Thing]
    told: list[str] = field(default_factory=list)

    async def follow(self) -> None:
        async with contextlib.aclosing(self.watch.follow()) as happenings:
            async for happening in happenings:
                self.told.append(_words(happening))

    async def hears(self, *expected: str) -> None:
        """Wait until exactly this was told."""
        await until(lambda: len(self.told) >= len(expected))
        assert self.told == list(expected)


def _words(happening: object) -> str:
    match happening:
        case Applied(thing):
            assert isinstance(thing, Thing)
            return f"{thing.metadata.name}={thing.size}"
        case Deleted(name):
            return f"no {name.name}"
        case Listed():
            return "listed"
        case _:
            raise AssertionError(happening)


def thing(name: str, version: int, size: int = 0) -> dict[str, Any]:
    return an_object(name, version, size=size)


@pytest.fixture
def hasty() -> HastyClock:
    return HastyClock()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiServer]:
    async with scripted_api_server() as server:
        yield server


@contextlib.asynccontextmanager
async def _following(
    server: ScriptedApiServer, clock: ManualClock, **changes: Any
) -> AsyncIterator[Follower]:
    async with connected(server.url, clock) as connection:
        selectors = {"labelSelector": "app=thing"}
        # No stream ends by this clock unless a test turns it.
        pace = msgspec.structs.replace(Pace(healthy_after=1000, relist_after=10_000), **changes)
        watch = Watch(connection, PATH, Thing, clock, selectors=selectors, pace=pace)
        follower = Follower(watch)
        task = asyncio.create_task(follower.follow(), name="follower")
        try:
            yield follower
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled(), task.exception()


async def test_what_is_there_is_told_then_a_mark_then_what_happens(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(a_list(thing("a", 1, 5), thing("b", 2), version=7))
    server.streams(
        a_stream(
            an_event("ADDED", thing("c", 8, 1)),
            an_event("MODIFIED", thing("a", 9, 6)),
            an_event("DELETED", thing("b", 10)),
            goes_on=True,
        )
    )
    async with _following(server, hasty) as follower:
        await follower.hears("a=5", "b=0", "listed", "c=1", "a=6", "no b")

    (asked,) = server.asked("watch")
    assert asked["resourceVersion"] == "7"
    assert asked["allowWatchBookmarks"] == "true"
    assert asked["labelSelector"] == "app=thing"
    assert server.asked("list")[0]["labelSelector"] == "app=thing"


async def test_a_long_list_comes_in_pages(server: ScriptedApiServer, hasty: HastyClock) -> None:
    server.lists(a_list(thing("a", 1), version=7, token="more"), a_list(thing("b", 2), version=7))
    server.streams(GOES_ON)
    async with _following(server, hasty, page=1) as follower:
        await follower.hears("a=0", "b=0", "listed")

    first, second = server.asked("list")
    assert first["limit"] == "1"
    assert "continue" not in first
    assert second["continue"] == "more"


async def test_a_list_whose_pages_expire_is_begun_anew(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(
        a_list(thing("a", 1), version=7, token="more"),
        json_answer(410, a_status(410, "Expired")),
        a_list(thing("b", 9), version=9),
    )
    server.streams(GOES_ON)
    async with _following(server, hasty) as follower:
        await follower.hears("a=0", "b=0", "no a", "listed")


async def test_the_server_is_asked_to_end_streams_at_different_times(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(a_list(version=1))
    server.streams(a_stream())
    async with _following(server, hasty):
        await until(lambda: len(server.asked("watch")) >= 10)

    seconds = [int(asked["timeoutSeconds"]) for asked in server.asked("watch")]
    assert all(240 <= number <= 300 for number in seconds)
    assert len(set(seconds)) > 1


async def test_after_the_end_of_a_stream_the_next_one_goes_on_where_it_was(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(a_list(version=1))
    server.streams(
        a_stream(an_event("ADDED", thing("a", 5)), a_bookmark(40)),
        a_stream(an_event("ADDED", thing("b", 41)), goes_on=True),
    )
    async with _following(server, hasty) as follower:
        await follower.hears("listed", "a=0", "b=0")

    assert [asked["resourceVersion"] for asked in server.asked("watch")] == ["1", "40"]
    assert len(server.asked("list")) == 1


@pytest.mark.parametrize(
    "forgotten",
    [
        json_answer(410, a_status(410, "Gone")),
        a_stream(an_event("ERROR", a_status(410, "Expired", "too old resource version"))),
        a_stream(an_event("ERROR", a_status(500, "Expired"))),
    ],
    ids=["as-status", "as-event", "by-reason"],
)
async def test_a_version_that_the_server_forgot_is_followed_by_a_list_with_what_differs(
    server: ScriptedApiServer, hasty: HastyClock, forgotten: Handler
) -> None:
    server.lists(
        a_list(thing("same", 1), thing("changed", 2, 1), thing("gone", 3), version=7),
        a_list(thing("same", 1), thing("changed", 12, 9), thing("new", 11), version=20),
    )
    server.streams(forgotten, GOES_ON)
    async with _following(server, hasty) as follower:
        await follower.hears(
            "same=0", "changed=1", "gone=0", "listed", "changed=9", "new=0", "no gone", "listed"
        )
        await until(lambda: len(server.asked("watch")) == 2)
        assert follower.watch.trouble == ""

    assert server.asked("watch")[1]["resourceVersion"] == "20"


@pytest.mark.parametrize(
    "fault",
    [
        a_page(502),
        a_page(200),
        a_page(200, ""),
        a_stream(),
        hang_up,
        a_cut_stream(),
        json_answer(403, a_status(403, "Forbidden", "things is forbidden")),
        json_answer(500, a_status(500, "InternalError")),
        a_stream(an_event("ERROR", a_status(500, "InternalError", "etcd is away"))),
        a_stream({"kind": "no event"}),
    ],
    ids=[
        "page of a proxy",
        "page with status 200",
        "empty answer",
        "stream that ends at once",
        "hang-up",
        "cut in an event",
        "forbidden",
        "server error",
        "error event",
        "no event",
    ],
)
async def test_a_fault_is_waited_out_with_growing_pauses_and_followed_by_what_came_next(
    server: ScriptedApiServer, hasty: HastyClock, fault: Handler
) -> None:
    server.lists(a_list(version=1))
    # A GET whose connection is cut before the answer is sent twice by the HTTP client itself.
    tries = 2 if fault is hang_up else 1
    recovered = a_stream(an_event("ADDED", thing("a", 2)), goes_on=True)
    server.streams(*[fault] * 3 * tries, recovered)
    async with _following(server, hasty, first_pause=1, longest_pause=3) as follower:
        await follower.hears("listed", "a=0")
        assert follower.watch.trouble == ""

    first, second, third = hasty.pauses
    assert 0.5 <= first <= 1 <= second <= 2
    assert 1.5 <= third <= 3
    # Nothing was missed meanwhile, so nothing had to be listed.
    assert len(server.asked("list")) == 1
    assert {asked["resourceVersion"] for asked in server.asked("watch")} == {"1"}


@pytest.mark.parametrize(
    "fault",
    [a_page(502), a_page(200), hang_up, json_answer(404, a_status(404, "NotFound"))],
    ids=["page of a proxy", "page with status 200", "hang-up", "no such kind"],
)
async def test_a_list_that_fails_is_tried_again(
    server: ScriptedApiServer, hasty: HastyClock, fault: Handler
) -> None:
    server.lists(fault, fault, a_list(thing("a", 1), version=7))
    server.streams(GOES_ON)
    async with _following(server, hasty) as follower:
        await follower.hears("a=0", "listed")
        assert follower.watch.trouble == ""


async def test_a_silent_peer_is_left(server: ScriptedApiServer, hasty: HastyClock) -> None:
    server.lists(a_list(version=1))
    silent = a_stream(an_event("ADDED", thing("a", 2)), goes_on=True)
    server.streams(silent, a_stream(an_event("ADDED", thing("b", 3)), goes_on=True))
    # Of the real time, since silence is measured by the socket.
    async with _following(server, hasty, shortest_stream=0.05, patience=0.05) as follower:
        await until(lambda: follower.watch.trouble)
        assert "did not answer within" in follower.watch.trouble
        await until(lambda: "b=0" in follower.told)

    assert follower.told[:3] == ["listed", "a=0", "b=0"]


async def test_a_peer_that_never_answers_is_left(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(a_list(version=1))
    server.streams(keep_silent, GOES_ON)
    async with connected(server.url, clock, patience=0.1) as connection:
        watch = Watch(connection, PATH, Thing, clock)
        async with contextlib.aclosing(watch.follow()) as happenings:
            assert isinstance(await anext(happenings), Listed)
            waiting = asyncio.ensure_future(anext(happenings))
            await until(lambda: watch.trouble)
            assert "did not answer within 100 ms" in watch.trouble
            waiting.cancel()
            await asyncio.wait({waiting})


async def test_a_server_that_is_not_there_is_tried_again_when_it_comes(
    hasty: HastyClock,
) -> None:
    async with scripted_api_server() as server:
        url, port = server.url, int(server.url.rpartition(":")[2])
    async with connected(url, hasty) as connection:
        watch = Watch(connection, PATH, Thing, hasty)
        follower = Follower(watch)
        task = asyncio.create_task(follower.follow())
        await until(lambda: watch.trouble)
        assert "can't be reached" in watch.trouble
        assert watch.age is None
        async with scripted_api_server(port=port) as server:
            server.lists(a_list(thing("a", 1), version=7))
            server.streams(GOES_ON)
            await follower.hears("a=0", "listed")
            task.cancel()
            await asyncio.wait({task})


async def test_all_is_listed_again_after_a_while_though_nothing_is_amiss(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(
        a_list(thing("kept", 1), thing("lost", 2), version=7), a_list(thing("kept", 1), version=9)
    )
    server.streams(a_stream(), GOES_ON)
    async with _following(
        server, hasty, relist_after=20, first_pause=50, longest_pause=50
    ) as follower:
        await follower.hears("kept=0", "lost=0", "listed", "no lost", "listed")


async def test_a_server_that_asks_for_patience_is_given_it(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(a_list(version=1))
    busy = json_answer(429, a_status(429, "TooManyRequests"), Retry_After="17")
    server.streams(busy, GOES_ON)
    async with _following(server, clock):
        await until(lambda: clock.sleepers)
        await clock.advance(16)
        assert len(server.asked("watch")) == 1
        await clock.advance(1)
        await until(lambda: len(server.asked("watch")) == 2)


async def test_a_server_that_was_away_is_followed_again_soon_after_it_is_back(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(a_list(version=1))
    maintenance = json_answer(503, a_status(503, "Maintenance"), Retry_After="86400")
    server.streams(maintenance, GOES_ON)
    async with _following(server, clock):
        await until(lambda: clock.sleepers)
        await clock.advance(60)
        await until(lambda: len(server.asked("watch")) == 2)


async def test_an_object_that_is_not_understood_is_left_out(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    server.lists(a_list(an_object("bad", 1, size="large"), thing("good", 2), version=7))
    server.streams(
        a_stream(
            an_event("ADDED", an_object("worse", 8, size=[])),
            an_event("ADDED", thing("better", 9)),
            goes_on=True,
        )
    )
    async with _following(server, hasty) as follower:
        await follower.hears("good=0", "listed", "better=0")


async def test_its_age_tells_since_when_nothing_was_heard(
    server: ScriptedApiServer, clock: ManualClock
) -> None:
    server.lists(a_list(version=1))
    more = asyncio.Event()

    async def bookmarks(request: Any) -> Any:
        response = await a_stream(a_bookmark(2))(request)
        await more.wait()
        await response.write(msgspec.json.encode(a_bookmark(3)) + b"\n")
        await asyncio.Event().wait()
        return response

    server.streams(bookmarks)
    async with _following(server, clock) as follower:
        await until(lambda: follower.watch._version == "2")
        await clock.advance(50)
        assert follower.watch.age == 50
        more.set()
        await until(lambda: follower.watch._version == "3")
        assert follower.watch.age == 0


async def test_an_event_may_come_in_many_pieces_and_be_large(
    server: ScriptedApiServer, hasty: HastyClock
) -> None:
    large = thing("large", 2) | {"ballast": "x" * 1_000_000}

    async def pieces(request: Any) -> Any:
        response = await a_stream()(request)
        line = msgspec.json.encode(an_event("ADDED", large)) + b"\n"
        for start in range(0, len(line), 300_000):
            await response.write(line[start : start + 300_000])
            await asyncio.sleep(0)
        await asyncio.Event().wait()
        return response

    server.lists(a_list(version=1))
    server.streams(pieces)
    async with _following(server, hasty) as follower:
        await follower.hears("listed", "large=0")
