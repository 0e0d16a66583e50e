"""What operators see."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from nexus_core import __version__
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Stage
from support.calls import JSON, TEXT, Client, of
from support.clock import ManualClock
from support.services import World
from support.trouble import Trouble
from support.waiting import until

READY = {"ready": True}


async def test_a_process_that_answers_lives(api: Client) -> None:
    answer = await api.get("/livez")
    assert (answer.status, answer.content_type, answer.body) == (200, TEXT, b"ok")


async def test_a_scheduler_is_ready_when_each_of_its_parts_is(api: Client) -> None:
    answer = await api.get("/readyz")
    assert (answer.status, answer.content_type) == (200, JSON)
    assert answer.json() == {
        "ready": True,
        "version": __version__,
        "parts": {
            "checkpoint-store": READY,
            "payload-store": READY,
            "catalogue": READY,
            "cluster standalone": {"ready": True, "required": False},
        },
    }


async def test_a_cluster_that_is_away_is_named_and_the_scheduler_stays_ready(
    still_world: World, clock: ManualClock
) -> None:
    still_world.cluster.refusal = UnavailableError("no route to host")
    async with still_world.scheduler() as url:
        api = Client(still_world.session, url)
        await clock.advance(0)
        answer = await api.get("/readyz")
        assert (answer.status, answer.content_type) == (200, JSON)
        # What it accepts is safe, and its queue waits: no load balancer is to take it out.
        assert answer.json()["ready"] is True
        part = answer.json()["parts"]["cluster standalone"]
        assert (part["ready"], part["required"]) == (False, False)
        assert (part["reason"], part["since"]) == ("no route to host", "2026-01-01T00:00:00Z")
        assert datetime.fromisoformat(part["next_try"]) > clock.now()
        assert 'circuit_open{part="cluster standalone"} 1.0' in (await api.get("/metrics")).text


async def test_readiness_asks_no_cluster(world: World, api: Client) -> None:
    await until(lambda: world.cluster.pings)
    before = world.cluster.pings
    for _ in range(20):
        await api.get("/readyz")
    assert world.cluster.pings == before


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("checkpoint-store", UnavailableError("the disk is full")),
        ("payload-store", OSError("a fault in an adapter")),
    ],
)
async def test_a_store_that_is_down_is_named(world: World, part: str, error: Exception) -> None:
    trouble = Trouble()
    trouble.breaks("ping", error=error)
    broken = trouble.befalls(world.stores)
    world.stores = (
        replace(world.stores, store=broken.store)
        if part == "checkpoint-store"
        else replace(world.stores, payloads=broken.payloads)
    )
    async with world.scheduler() as url:
        answer = await Client(world.session, url).get("/readyz")
        assert answer.status == 503
        down = [name for name, state in answer.json()["parts"].items() if not state["ready"]]
        assert down == [part]


async def test_metrics_tell_what_happens_and_name_no_run(world: World, api: Client) -> None:
    key = await world.run(api.url, tag="my-tag")
    await world.reaches(key, Stage.RUNNING)
    await api.get(f"/algorithm/results/{of(key)}")
    await api.get(f"/algorithm/v1.2/results/{of(key)}")
    await api.get("/algorithm/v1/results/hello-world/requests/nonsense")
    await api.post("/algorithm/v1/run/an-algorithm-that-is-none", {"algorithmParameters": {}})
    answer = await api.get("/metrics")
    assert (answer.status, answer.content_type) == (200, TEXT)
    assert key.request_id not in answer.text
    assert "my-tag" not in answer.text
    assert "an-algorithm-that-is-none" not in answer.text
    values = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for sample in samples(answer.text)
    }
    results = "/results/{algorithmName}/requests/{requestId}"
    expected = {
        ("nexus_scheduler_accepted_runs_total", "hello-world"): 1,
        ("nexus_scheduler_launches_total", "standalone", "running"): 1,
        ("nexus_scheduler_queued_runs", "standalone"): 0,
        ("nexus_scheduler_oldest_wait_seconds", "standalone"): 0,
        ("nexus_scheduler_queue_limit",): 10_000,
        ("nexus_part_ready", "checkpoint-store", "true"): 1,
        ("nexus_scheduler_queue_wait_seconds_count", "standalone"): 1,
        ("nexus_scheduler_launch_duration_seconds_count", "standalone"): 1,
        ("nexus_scheduler_waiting_clients",): 0,
        ("nexus_scheduler_catalogue_age_seconds",): 12,
        (
            "nexus_http_request_duration_seconds_count",
            "/algorithm/run/{algorithmName}",
            "POST",
            "202",
        ): 1,
        ("nexus_http_request_duration_seconds_count", f"/algorithm{results}", "GET", "200"): 1,
        # Aliases are one endpoint.
        ("nexus_http_request_duration_seconds_count", f"/algorithm/v1{results}", "GET", "200"): 1,
        ("nexus_http_request_duration_seconds_count", f"/algorithm/v1{results}", "GET", "400"): 1,
    }
    assert {name: values.get(name) for name in expected} == expected


async def test_templates_that_nobody_could_read_yet_are_not_unknown_ones(
    world: World, api: Client
) -> None:
    world.catalogue.unread = UnavailableError("no route to the API server")

    answer = await api.post("/algorithm/v1/run/hello-world", {"algorithmParameters": {}})

    # Clients come again after a 503; a 400 would be final.
    assert (answer.status, answer.content_type) == (503, TEXT)
    assert "no route to the API server" in answer.text
    assert "Retry-After" in answer.headers
    metrics = await api.get("/metrics")
    assert "nexus_scheduler_catalogue_age_seconds NaN" in metrics.text


def samples(text: str) -> Iterator[Sample]:
    for family in text_string_to_metric_families(text):
        assert family.name.startswith(("nexus_", "process_", "python_")), family.name
        assert family.documentation
        yield from family.samples
