"""The list of runs."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from nexus_core.domain.stages import Stage
from support.calls import JSON, PROBLEM, Client
from support.clock import ManualClock
from support.runs import LONG_AGO, a_checkpoint
from support.services import World


async def listed(api: Client, **query: Any) -> list[str]:
    answer = await api.get(f"/algorithm/runs?{urlencode(query, doseq=True)}")
    assert (answer.status, answer.content_type) == (200, JSON), answer.text
    return [run["requestId"] for run in answer.json()["runs"]]


async def test_no_runs_is_an_empty_page(api: Client) -> None:
    assert (await api.get("/algorithm/runs")).json() == {"runs": []}


async def test_a_run_is_shown_without_nulls_or_what_is_not_known(world: World, api: Client) -> None:
    run = a_checkpoint(tag="mine", received_at=LONG_AGO, last_modified=LONG_AGO)
    failed = a_checkpoint(
        lifecycle_stage=Stage.FAILED,
        received_at=LONG_AGO - timedelta(hours=1),
        sent_at=LONG_AGO,
        last_modified=LONG_AGO,
        algorithm_failure_cause="It broke.",
    )
    for checkpoint in (run, failed):
        await world.stores.store.accept(checkpoint, None)
    assert (await api.get("/algorithm/runs")).json()["runs"] == [
        {
            "algorithmName": "hello-world",
            "requestId": run.id,
            "status": "BUFFERED",
            "tag": "mine",
            "receivedAt": "2026-01-01T00:00:00.000000Z",
            "lastModified": "2026-01-01T00:00:00.000000Z",
        },
        {
            "algorithmName": "hello-world",
            "requestId": failed.id,
            "status": "FAILED",
            "receivedAt": "2025-12-31T23:00:00.000000Z",
            "sentAt": "2026-01-01T00:00:00.000000Z",
            "lastModified": "2026-01-01T00:00:00.000000Z",
            "runErrorMessage": "It broke.",
        },
    ]


async def test_filters_narrow_the_list_alone_and_together(world: World, api: Client) -> None:
    hour = timedelta(hours=1)
    rows = {
        "a": a_checkpoint(algorithm="tsp", tag="x", received_at=LONG_AGO),
        "b": a_checkpoint(tag="x", lifecycle_stage=Stage.FAILED, received_at=LONG_AGO + hour),
        "c": a_checkpoint(lifecycle_stage=Stage.COMPLETED, received_at=LONG_AGO + 2 * hour),
        "d": a_checkpoint(tag="x y", received_at=LONG_AGO + 3 * hour),
    }
    for row in rows.values():
        await world.stores.store.accept(row, None)
    names = {row.id: name for name, row in rows.items()}
    expected: list[tuple[dict[str, Any], str]] = [
        ({}, "dcba"),
        ({"algorithm": "tsp"}, "a"),
        ({"algorithm": "nothing"}, ""),
        ({"tag": "x"}, "ba"),
        ({"tag": "x y"}, "d"),
        ({"stage": "FAILED"}, "b"),
        ({"stage": ["FAILED", "COMPLETED"]}, "cb"),
        ({"from": "2026-01-01T01:00:00Z"}, "dcb"),
        ({"until": "2026-01-01T01:00:00Z"}, "a"),
        ({"from": "2026-01-01T02:00:00+01:00", "until": "2026-01-01T03:00:00Z"}, "cb"),
        ({"tag": "x", "stage": "FAILED", "algorithm": "hello-world"}, "b"),
        ({"tag": "x", "stage": "COMPLETED"}, ""),
        ({"limit": 2}, "dc"),
        ({"limit": 1000}, "dcba"),
    ]
    for query, names_expected in expected:
        assert "".join(names[i] for i in await listed(api, **query)) == names_expected, query
    # As somebody types it who forgets that a plus sign in a query is a space.
    answer = await api.get("/algorithm/runs?from=2026-01-01T02:00:00+01:00")
    assert len(answer.json()["runs"]) == 3


@pytest.mark.parametrize("query", [{}, {"tag": "many"}, {"stage": "BUFFERED"}])
async def test_pages_have_no_gaps_and_no_repeats_while_runs_are_added(
    still_world: World, clock: ManualClock, query: dict[str, str]
) -> None:
    # Most of them at the very same time, so that ids alone tell them apart.
    still_world.cluster.open_gate.clear()
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        for moment in range(3):
            await clock.advance(moment)
            for _ in range(4):
                await still_world.run(url, tag="many")
        # What workers hold is BUFFERED still: their cluster does not answer.
        before = await listed(api, **query)
        assert len(before) == 12
        seen, cursor = [], ""
        while True:
            page = (
                await api.get(
                    f"/algorithm/runs?{urlencode({**query, 'limit': 5} | cursor_in(cursor))}"
                )
            ).json()
            seen += [run["requestId"] for run in page["runs"]]
            cursor = page.get("nextCursor", "")
            if not cursor:
                break
            assert len(page["runs"]) == 5
            await clock.advance(1)
            await still_world.run(url, tag="many")
        assert seen == before
        still_world.cluster.open_gate.set()


def cursor_in(cursor: str) -> dict[str, str]:
    return {"cursor": cursor} if cursor else {}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("stage=running", "stage"),
        ("stage=RUNNING,FAILED", "stage"),
        ("stage=FAILED&stage=", "stage"),
        ("algorithm=Hello", "algorithm"),
        ("algorithm=..%2f..%2fetc", "algorithm"),
        ("algorithm=", "algorithm"),
        ("tag=%00", "tag"),
        ("tag=" + "x" * 1025, "tag"),
        ("from=yesterday", "from"),
        ("from=2026-01-01T00:00:00", "from"),
        ("from=0001-01-01T00:00:00%2B10:00", "from"),
        ("until=", "until"),
        ("until=9999-12-31T23:59:59-10:00", "until"),
        ("until=2026-13-01T00:00:00Z", "until"),
        ("cursor=", "cursor"),
        ("cursor=%21%21%21", "cursor"),
        ("cursor=bm90IGEgY3Vyc29y", "cursor"),
        ("cursor=" + "A" * 1001, "cursor"),
        ("cursor=%ff", "cursor"),
    ],
)
async def test_what_makes_no_list_is_refused_by_name(api: Client, query: str, field: str) -> None:
    answer = await api.get(f"/algorithm/runs?{query}")
    assert (answer.status, answer.content_type) == (400, PROBLEM)
    assert answer.fields == [field]
