"""Each part fails in each way: what the caller sees, and that the run takes its course, once.

A part whose call hangs is given up by its adapter after its patience; here the test says when.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from nexus_core.domain.checkpoint import RunFilter
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.settings.values import Duration
from support.affliction import Affliction, How
from support.calls import Answer, Client, of
from support.clock import ManualClock
from support.receiver_client import ReceiverClient
from support.services import World

REFUSES, HANGS, TOO_LATE, LATE, EMPTY_HANDED = How
FAILS = (REFUSES, HANGS, TOO_LATE)


async def passing(clock: ManualClock, fact: Callable[[], Awaitable[object]]) -> None:
    """Let time pass until something is so."""
    async with asyncio.timeout(60):
        while not await fact():
            await clock.advance(0.1)


def afflict(world: World, part: str, affliction: Affliction) -> None:
    if part in {"cluster", "catalogue"}:
        setattr(world, part, affliction.befalls(getattr(world, part)))
    else:
        port = affliction.befalls(getattr(world.stores, part))
        world.stores = replace(world.stores, **{part: port})


async def on_a_bad_day(
    affliction: Affliction, clock: ManualClock, act: Awaitable[Answer]
) -> Answer:
    """Let somebody ask while the affliction lasts, and end their patience where that is in vain."""
    affliction.begins()
    asking = asyncio.ensure_future(act)

    async def hit() -> bool:
        return affliction.befell.is_set()

    await passing(clock, hit)
    affliction.patience_ends.set()

    async def answered() -> bool:
        return asking.done()

    await passing(clock, answered)
    affliction.is_over()
    return await asking


ACCEPTING = [
    # Nothing is known to be recorded: the client is to come again.
    *(("payloads", "put", how, 503) for how in FAILS),
    *(("store", "accept", how, 503) for how in (REFUSES, HANGS)),
    *(("store", "find_submission", how, 503) for how in FAILS),
    ("catalogue", "template", REFUSES, 503),
    # It is recorded, and that is found out.
    ("store", "accept", TOO_LATE, 202),
    # It takes a little longer.
    ("payloads", "put", LATE, 202),
    ("store", "accept", LATE, 202),
    ("store", "find_submission", LATE, 202),
    ("store", "find_submission", EMPTY_HANDED, 202),
    # It is accepted, and the queue waits.
    *(("cluster", "create_job", how, 202) for how in (*FAILS, LATE)),
    *(("store", "advance", how, 202) for how in (*FAILS, LATE)),
    *(("leases", "renew", how, 202) for how in (*FAILS, LATE)),
]


@pytest.mark.parametrize(("part", "method", "how", "status"), ACCEPTING)
async def test_a_run_is_accepted_once_and_takes_its_course(
    world: World, clock: ManualClock, part: str, method: str, how: How, status: int
) -> None:
    cluster, affliction = world.cluster, Affliction(method, how)
    afflict(world, part, affliction)
    async with world.scheduler() as url, world.receiver() as receiver:
        api = Client(world.session, url)

        answer = await on_a_bad_day(affliction, clock, submit(api))
        assert answer.status == status
        if status == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            await clock.advance(int(answer.headers["Retry-After"]))
            answer = await submit(api)
        key = RunKey("hello-world", answer.json()["requestId"])
        await comes_to_run(world, clock, key)
        await ReceiverClient(world.session, receiver).complete(key, resultUri="uri")

        shown = (await api.get(f"/algorithm/results/{of(key)}")).json()
        assert (shown["status"], shown["resultUri"]) == ("COMPLETED", "uri")
        assert len(await world.stores.index.runs(RunFilter(), 100)) == 1
    assert cluster.creations == Counter({key: 1})


COMPLETING = [
    *(("store", "advance", how, 503) for how in FAILS),
    *(("payloads", "size", how, 503) for how in FAILS),
    ("store", "advance", LATE, 202),
    ("payloads", "size", LATE, 202),
    *(("leases", "alive", how, 202) for how in How),
]


@pytest.mark.parametrize(("part", "method", "how", "status"), COMPLETING)
async def test_a_completion_counts_once_however_often_it_is_sent(
    world: World, clock: ManualClock, part: str, method: str, how: How, status: int
) -> None:
    affliction = Affliction(method, how)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        key = RunKey("hello-world", (await submit(api)).json()["requestId"])
        await comes_to_run(world, clock, key)
        afflict(world, part, affliction)
        async with world.receiver() as receiver:
            algorithm = ReceiverClient(world.session, receiver)

            answer = await on_a_bad_day(affliction, clock, algorithm.report(key, json={}))
            assert answer.status == status
            if status == 503:
                assert int(answer.headers["Retry-After"]) >= 1
                answer = await algorithm.report(key, json={})
            assert answer.status == 202

        # Whether or not the scheduler was told, whoever asks finds it.
        waiting = asyncio.create_task(api.get(f"/algorithm/results/{of(key)}?wait=5m"))

        async def answered() -> bool:
            return waiting.done()

        await passing(clock, answered)
        assert (await waiting).json()["status"] == "COMPLETED"
    assert await world.stage(key) is Stage.COMPLETED


@pytest.mark.parametrize("how", [*FAILS, LATE])
async def test_a_cancellation_is_recorded_whatever_its_cluster_does(
    world: World, clock: ManualClock, how: How
) -> None:
    affliction = Affliction("delete_job", how)
    afflict(world, "cluster", affliction)
    async with world.scheduler() as url:
        api = Client(world.session, url)
        key = RunKey("hello-world", (await submit(api)).json()["requestId"])
        await comes_to_run(world, clock, key)

        cancel = api.post(f"/algorithm/cancel/{of(key)}", {})
        assert (await on_a_bad_day(affliction, clock, cancel)).status == 200
    assert await world.stage(key) is Stage.CANCELLED


async def comes_to_run(world: World, clock: ManualClock, key: RunKey) -> None:
    async def runs() -> bool:
        return await world.stage(key) is Stage.RUNNING

    await passing(clock, runs)


def submit(api: Client) -> Awaitable[Answer]:
    """Send the one request of a client that sends it again until it is taken."""
    return api.post(
        "/algorithm/run/hello-world",
        {"algorithmParameters": {}},
        headers={"Idempotency-Key": "the one"},
    )


async def test_a_run_of_which_nobody_can_tell_is_not_accepted_twice(
    world: World, clock: ManualClock
) -> None:
    accepting, looking = Affliction("accept", TOO_LATE), Affliction("find", REFUSES)
    afflict(world, "store", accepting)
    afflict(world, "store", looking)
    # Its scheduler lives on for as long as this takes: no run is submitted because it is gone.
    async with world.scheduler(lease_duration=Duration(24 * 3600)) as url:
        api = Client(world.session, url)
        looking.begins()
        assert (await on_a_bad_day(accepting, clock, submit(api))).status == 503
        looking.is_over()

        key = RunKey("hello-world", (await submit(api)).json()["requestId"])
        # Nobody queued it, since nobody knew of it: a supervisor submits it when it is late.
        async with world.supervisor():
            await comes_to_run(world, clock, key)
        assert len(await world.stores.index.runs(RunFilter(), 100)) == 1
    assert world.cluster.creations == Counter({key: 1})
