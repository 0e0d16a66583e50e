"""A run is explained from what is stored, at any scheduler and whatever is away."""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from nexus_core.domain.errors import NotNowError
from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.settings.payloads import BufferConfig, S3Buffer
from nexus_core.web.server import bind
from support.calls import JSON, PROBLEM, TEXT, UNKNOWN, Answer, Client, of
from support.clock import ManualClock
from support.memory_journal import MemoryJournal
from support.services import World
from support.stored_runs import store_run
from support.waiting import until

TOO_MANY = "Cluster standalone answers 429: too many requests"


async def explained(client: Client, key: RunKey) -> Any:
    answer = await client.get(f"/algorithm/explain/{of(key)}")
    assert (answer.status, answer.content_type) == (200, JSON), answer
    return answer.json()


def told(story: Any) -> list[str]:
    return [step["what"] for step in story["steps"]]


def slow(per_second: float) -> dict[str, Any]:
    """Return settings under which runs wait for their turn."""
    config = BufferConfig(
        rate_limit_elements_per_second=per_second, rate_limit_elements_burst=1, workers=1
    )
    return {"s3_buffer": S3Buffer(buffer_config=config)}


@pytest.fixture
def journal(still_world: World) -> MemoryJournal:
    """A journal that keeps at once what it is given, so that turning the clock is enough."""
    journal = MemoryJournal()
    still_world.stores = replace(still_world.stores, journal=journal)
    return journal


async def record(world: World, key: RunKey, kind: RunEventKind, **words: str) -> None:
    event = RunEvent(key=key, at=world.clock.now(), kind=kind, **words)
    await world.stores.journal.record([event])


async def test_a_run_that_completed_is_told_from_its_acceptance_to_its_result(
    world: World, api: Client
) -> None:
    key = await world.run(api.url)
    await world.reaches(key, Stage.RUNNING)
    await record(world, key, RunEventKind.SCHEDULED, subject="pod-1", reason="node-1")
    await record(world, key, RunEventKind.STARTED, subject="pod-1")
    now = world.clock.now()
    change = StageChange(to=Stage.COMPLETED, at=now, result_uri="s3a://results/1")
    await world.stores.store.advance(key, change)

    story = await explained(api, key)

    assert (story["algorithmName"], story["requestId"]) == (key.algorithm, key.request_id)
    assert story["status"] == "COMPLETED"
    assert story["headline"].startswith("It completed, ")
    assert told(story) == [
        "Accepted",
        "Buffered",
        "Submitted",
        "Scheduled",
        "Started",
        "Completed",
    ]
    assert story["steps"][1]["sentence"].startswith("Buffered for cluster 'standalone'")
    # Nothing is null, and what is empty is not there.
    assert {"advice", "missing"}.isdisjoint(story)
    assert all(value for step in story["steps"] for value in step.values())


@pytest.mark.usefixtures("journal")
async def test_a_run_that_waits_is_told_how_many_are_ahead_of_it(
    still_world: World, clock: ManualClock
) -> None:
    async with still_world.scheduler(**slow(0.1)) as url:
        api = Client(still_world.session, url)
        keys = [await still_world.run(url) for _ in range(5)]
        await still_world.reaches(keys[0], Stage.RUNNING)
        await clock.advance(3)

        story = await explained(api, keys[4])

    assert story["headline"] == "3 runs are ahead of it; at 0.1 a second, its turn comes in 30 s."
    assert told(story)[:2] == ["Accepted", "Buffered"]


@pytest.mark.usefixtures("journal")
async def test_a_run_that_waited_is_told_what_held_it_back(
    still_world: World, clock: ManualClock
) -> None:
    still_world.cluster.creation_refusal = NotNowError(TOO_MANY, retry_after=4)
    async with still_world.scheduler(**slow(50)) as url:
        api = Client(still_world.session, url)
        key = await still_world.run(url)
        await until(lambda: still_world.cluster.refused)
        await clock.advance(3)
        held_back = await explained(api, key)
        still_world.cluster.creation_refusal = None
        while await still_world.stage(key) is not Stage.RUNNING:
            await clock.advance(1)
        submitted = await explained(api, key)

    assert held_back["headline"].startswith("It is held back: cluster 'standalone' refuses Jobs")
    assert held_back["advice"].startswith("Nothing is lost")
    assert told(held_back) == ["Accepted", "Buffered", "HeldBack"]
    assert held_back["steps"][2]["details"] == TOO_MANY
    assert told(submitted) == ["Accepted", "Buffered", "HeldBack", "Submitted"]
    assert submitted["steps"][2]["sentence"].startswith("Held back for ")


async def test_whoever_asks_for_text_gets_text(world: World, api: Client) -> None:
    key = await store_run(world, Stage.RUNNING)
    path = f"/algorithm/explain/{of(key)}"

    async def ask(accept: str) -> Answer:
        return await api.get(path, headers={"Accept": accept})

    text = await ask("text/plain")
    assert (text.status, text.content_type) == (200, TEXT)
    first, second, *_ = text.text.splitlines()
    assert first == f"{key}  RUNNING"
    assert second.startswith("Its Job is ")
    assert text.headers["Vary"] == "Accept"
    for accept in ("*/*", "application/json", "text/html", "text/plain, application/json"):
        assert (await ask(accept)).content_type == JSON, accept


@pytest.mark.parametrize("path", ["/algorithm/explain/{}", "/algorithm/latest/explain/{}"])
async def test_an_unknown_run_has_no_story(api: Client, path: str) -> None:
    answer = await api.get(path.format(of(UNKNOWN)))
    assert (answer.status, answer.content_type) == (404, PROBLEM)


async def test_v1_has_no_stories(world: World, api: Client) -> None:
    key = await store_run(world, Stage.RUNNING)
    assert (await api.get(f"/algorithm/v1/explain/{of(key)}")).status == 404


async def test_while_the_journal_is_away_a_story_is_told_without_it(
    still_world: World, journal: MemoryJournal
) -> None:
    key = await store_run(still_world, Stage.RUNNING)
    await record(still_world, key, RunEventKind.STARTED, subject="pod-1")
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        whole = await explained(api, key)
        journal.away = True
        poor = await explained(api, key)

    assert told(whole)[-1] == "Started"
    assert told(poor) == told(whole)[:-1]
    assert poor["missing"] == [
        "What happened to its Job and pods could not be read: the journal is away",
        "How its queue stood could not be read: the journal is away",
    ]


@pytest.mark.usefixtures("journal")
async def test_any_scheduler_explains_a_run_whoever_accepted_it(
    still_world: World, clock: ManualClock
) -> None:
    still_world.cluster.creation_refusal = NotNowError(TOO_MANY)
    async with AsyncExitStack() as stack:
        beside = replace(still_world, address=stack.enter_context(bind("127.0.0.1", 0)))
        first = await stack.enter_async_context(still_world.scheduler(host_name="first"))
        second = await stack.enter_async_context(beside.scheduler(host_name="second"))
        key = await still_world.run(first)
        await until(lambda: still_world.cluster.refused)
        api = Client(still_world.session, second)
        # While it is being tried again it does not wait, and a sample may miss it.
        while "HeldBack" not in told(story := await explained(api, key)):
            await clock.advance(3)

    assert story["steps"][0]["sentence"] == "Accepted by scheduler 'first'."


@pytest.mark.usefixtures("journal")
async def test_a_story_outlives_the_scheduler(still_world: World, clock: ManualClock) -> None:
    still_world.cluster.creation_refusal = NotNowError(TOO_MANY, retry_after=4)
    async with still_world.scheduler() as url:
        key = await still_world.run(url)
        await until(lambda: still_world.cluster.refused)
        await clock.advance(3)
        before = await explained(Client(still_world.session, url), key)
    async with still_world.scheduler() as url:
        after = await explained(Client(still_world.session, url), key)

    assert told(after) == told(before) == ["Accepted", "Buffered", "HeldBack"]


async def test_a_run_with_very_many_ahead_of_it_is_told_that_there_are_many(
    still_world: World, clock: ManualClock
) -> None:
    store = still_world.stores.store
    key = await _behind_many(still_world, clock, 1001)
    assert await store.find(key)
    still_world.cluster.open_gate.clear()
    async with still_world.scheduler(host_name="another") as url:
        story = await explained(Client(still_world.session, url), key)
    assert story["headline"] == "More than 1,000 runs are ahead of it."


async def _behind_many(world: World, clock: ManualClock, many: int) -> RunKey:
    for number in range(many):
        received = clock.now() - timedelta(seconds=number + 1)
        await store_run(world, Stage.BUFFERED, received_at=received)
    return await store_run(world, Stage.BUFFERED, received_at=clock.now())
