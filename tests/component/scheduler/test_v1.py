"""The frozen API, as published clients decode it."""

import re
from datetime import timedelta
from typing import Any

import pytest

from nexus_core.domain.names import RunKey, is_request_id
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.template import Container, TemplateSpec
from nexus_core.ports.payload_store import Content
from support.calls import JSON, RUN_ROUTES, TEXT, UNKNOWN, Client, of
from support.runs import LONG_AGO, a_checkpoint
from support.services import World

ALIASES = ("/algorithm/v1", "/algorithm/v1.0", "/algorithm/v1.2")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
NO_TIME = "0001-01-01T00:00:00Z"


@pytest.fixture(params=ALIASES)
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def nulls(value: object) -> bool:
    if isinstance(value, dict):
        return any(nulls(item) for item in value.values())
    if isinstance(value, list):
        return any(nulls(item) for item in value)
    return value is None


async def waiting_run(world: World, api: Client, **body: Any) -> RunKey:
    """Submit a run whose Job the cluster does not create yet."""
    world.cluster.open_gate.clear()
    return await world.run(api.url, **body)


async def finish(world: World, key: RunKey, to: Stage, **change: Any) -> None:
    advance = await world.stores.store.advance(key, StageChange(to=to, at=LONG_AGO, **change))
    assert advance.applied


@pytest.mark.parametrize("query", ["", "?dryRun=true", "?dryRun=false"])
async def test_run_answers_202_with_the_id_of_the_run_alone(
    api: Client, prefix: str, query: str
) -> None:
    answer = await api.post(f"{prefix}/run/hello-world{query}", {"algorithmParameters": {}})
    assert (answer.status, answer.content_type) == (202, JSON)
    ((name, request_id),) = answer.json().items()
    assert name == "requestId"
    assert is_request_id(request_id)


async def test_cancel_answers_200_as_empty_text(world: World, api: Client, prefix: str) -> None:
    key = await waiting_run(world, api)
    answer = await api.post(f"{prefix}/cancel/{of(key)}", {"initiator": "me", "reason": "test"})
    assert (answer.status, answer.content_type, answer.body) == (200, TEXT, b"")
    checkpoint = await world.stores.store.find(key)
    assert checkpoint is not None
    assert checkpoint.lifecycle_stage is Stage.CANCELLED
    assert "me" in checkpoint.algorithm_failure_cause
    assert "test" in checkpoint.algorithm_failure_details


async def test_cancelling_a_run_that_has_completed_is_400_in_text(
    world: World, api: Client, prefix: str
) -> None:
    key = await waiting_run(world, api)
    await finish(world, key, Stage.COMPLETED)
    answer = await api.post(f"{prefix}/cancel/{of(key)}", {})
    assert (answer.status, answer.content_type) == (400, TEXT)
    assert await world.stage(key) is Stage.COMPLETED


async def test_an_unfinished_run_has_an_empty_result_and_an_empty_error(
    world: World, api: Client, prefix: str
) -> None:
    key = await waiting_run(world, api)
    answer = await api.get(f"{prefix}/results/{of(key)}")
    assert (answer.status, answer.content_type) == (200, JSON)
    assert answer.json() == {
        "requestId": key.request_id,
        "status": "BUFFERED",
        "resultUri": "",
        "runErrorMessage": "",
    }


@pytest.mark.parametrize(
    ("stage", "result", "error"),
    [
        (Stage.COMPLETED, "s3a://results/1", ""),
        (Stage.FAILED, "", "It broke."),
        (Stage.SCHEDULING_FAILED, "", "It broke."),
        (Stage.DEADLINE_EXCEEDED, "", "It broke."),
        (Stage.CANCELLED, "", "It broke."),
    ],
)
async def test_a_completed_run_shows_its_result_and_any_other_its_cause(
    world: World, api: Client, stage: Stage, result: str, error: str
) -> None:
    key = await waiting_run(world, api)
    await finish(world, key, stage, result_uri="s3a://results/1", cause="It broke.")
    answer = await api.get(f"/algorithm/v1/results/{of(key)}")
    assert answer.json() == {
        "requestId": key.request_id,
        "status": stage.value,
        "resultUri": result,
        "runErrorMessage": error,
    }


async def test_runs_of_a_tag_are_listed_newest_first_with_their_algorithm(
    world: World, api: Client, prefix: str
) -> None:
    keys = [await waiting_run(world, api, tag="my runs/é") for _ in range(3)]
    await world.run(api.url, tag="another")
    answer = await api.get(f"{prefix}/results/tags/my%20runs%2F%C3%A9")
    assert (answer.status, answer.content_type) == (200, JSON)
    assert [run["requestId"] for run in answer.json()] == [k.request_id for k in reversed(keys)]
    assert answer.json()[0] == {
        "requestId": keys[2].request_id,
        "status": "BUFFERED",
        "resultUri": "",
        "runErrorMessage": "",
        "algorithmName": "hello-world",
    }


async def test_a_tag_without_runs_is_an_empty_list(api: Client, prefix: str) -> None:
    answer = await api.get(f"{prefix}/results/tags/none")
    assert (answer.status, answer.content_type, answer.body) == (200, JSON, b"[]")


async def test_a_run_is_found_under_the_tag_that_it_was_given_later(
    world: World, api: Client, prefix: str
) -> None:
    key = await waiting_run(world, api, tag="before")
    answer = await api.post(f"{prefix}/metadata/tags/{of(key)}", {"newTag": "after"})
    assert (answer.status, answer.content_type, answer.body) == (200, JSON, b"{}")
    assert (await api.get(f"{prefix}/results/tags/before")).json() == []
    (found,) = (await api.get(f"{prefix}/results/tags/after")).json()
    assert found["requestId"] == key.request_id


async def test_metadata_shows_all_that_is_recorded(world: World, api: Client, prefix: str) -> None:
    parent = await waiting_run(world, api)
    overrides = {"computeResources": {"limits": {"cpu": "2"}}}
    key = await world.run(
        api.url,
        customConfiguration=overrides,
        tag="mine",
        requestApiVersion="v1.2",
        parentRequest={"requestId": parent.request_id, "algorithmName": parent.algorithm},
    )
    answer = await api.get(f"{prefix}/metadata/{of(key)}")
    assert (answer.status, answer.content_type) == (200, JSON)
    shown = answer.json()
    assert not nulls(shown)
    assert set(shown.pop("applied_configuration")) == {
        "command",
        "computeResources",
        "container",
        "datadogIntegrationSettings",
        "errorHandlingBehaviour",
        "payloadConfiguration",
        "runtimeEnvironment",
        "workgroupRef",
    }
    assert TIME.fullmatch(shown.pop("received_at"))
    assert TIME.fullmatch(shown.pop("last_modified"))
    assert shown.pop("payload_uri").startswith(api.url)
    assert shown.pop("received_by_host")
    assert shown == {
        "algorithm": "hello-world",
        "id": key.request_id,
        "lifecycle_stage": "BUFFERED",
        "result_uri": "",
        "algorithm_failure_cause": "",
        "algorithm_failure_details": "",
        "sent_at": NO_TIME,
        "configuration_overrides": overrides,
        # base64 of the CRC-32 of `{"name": "world"}`, in hex
        "content_hash": "YjMyYmE0Mzc=",
        "tag": "mine",
        "api_version": "v1.2",
        "parent": {"requestId": parent.request_id, "algorithmName": "hello-world"},
    }


async def test_metadata_of_a_row_that_others_wrote_has_all_parts_of_its_configuration(
    world: World, api: Client
) -> None:
    spec = TemplateSpec(container=Container(image="i", registry="r", version_tag="1"), command="c")
    # A time without fractions must be as long as any other: clients compare times as text.
    foreign = a_checkpoint(applied_configuration=spec, received_at=LONG_AGO)
    await world.stores.store.accept(foreign, None)
    shown = (await api.get(f"/algorithm/v1/metadata/{of(foreign.key)}")).json()
    assert not nulls(shown)
    assert len(shown["applied_configuration"]) == 8
    assert shown["received_at"] == "2026-01-01T00:00:00.000000Z"


async def test_the_buffered_job_is_json_that_calls_itself_text(
    world: World, api: Client, prefix: str
) -> None:
    key = await waiting_run(world, api)
    answer = await api.get(f"{prefix}/buffer/{of(key)}")
    assert (answer.status, answer.content_type) == (200, TEXT)
    assert answer.json()["kind"] == "Job"
    assert answer.json()["metadata"]["name"] == key.request_id


async def test_payload_redirects_to_a_url_that_serves_the_bytes_that_came(
    api: Client, prefix: str
) -> None:
    payload = b'{ "b": 1e999,\n "a": [1.10, "\\u00e9"] }'
    run = await api.post(f"{prefix}/run/hello-world", data=b'{"algorithmParameters":%b}' % payload)
    key = RunKey("hello-world", run.json()["requestId"])
    answer = await api.get(f"{prefix}/payload/{of(key)}")
    assert (answer.status, answer.content_type, answer.body) == (302, TEXT, b"")
    assert answer.headers["Location"].startswith(f"{api.url}/data/v1/payloads/")
    served = await api.get(answer.headers["Location"])
    assert (served.status, served.content_type, served.body) == (200, JSON, payload)


async def test_payload_of_a_run_without_one_is_417_in_text(
    world: World, api: Client, prefix: str
) -> None:
    foreign = a_checkpoint(payload_uri="")
    await world.stores.store.accept(foreign, None)
    answer = await api.get(f"{prefix}/payload/{of(foreign.key)}")
    assert (answer.status, answer.content_type) == (417, TEXT)


async def test_payload_that_has_had_its_time_is_417_in_text(
    world: World, api: Client, prefix: str
) -> None:
    key = await waiting_run(world, api)
    now = world.clock.now()
    await world.stores.store.advance(key, StageChange(to=Stage.CANCELLED, at=now))
    assert (await api.get(f"{prefix}/payload/{of(key)}")).status == 302

    await world.stores.payloads.delete(Content.PAYLOAD, key)

    answer = await api.get(f"{prefix}/payload/{of(key)}")
    assert (answer.status, answer.content_type) == (417, TEXT)
    assert "its time is over" in answer.text


async def test_an_unknown_run_is_404_in_text(api: Client, prefix: str) -> None:
    for method, path, body in RUN_ROUTES:
        answer = await api.call(method, prefix + path.format(of(UNKNOWN)), json=body)
        assert (answer.status, answer.content_type) == (404, TEXT), path
        assert UNKNOWN.request_id in answer.text


async def test_what_is_no_id_is_400_in_text(api: Client, prefix: str) -> None:
    for method, path, body in RUN_ROUTES:
        answer = await api.call(method, prefix + path.format("hello-world/requests/7"), json=body)
        assert (answer.status, answer.content_type) == (400, TEXT), path
        assert "requestId" in answer.text


async def test_v1_holds_nothing_that_is_newer(world: World, api: Client, prefix: str) -> None:
    assert (await api.get(f"{prefix}/runs")).status == 404
    key = await waiting_run(world, api)
    # Would take its time, did v1 know it.
    at_once = await api.get(f"{prefix}/results/{of(key)}?wait=5m")
    assert at_once.json()["status"] == "BUFFERED"
    body: dict[str, Any] = {"algorithmParameters": {}}
    runs = [
        await api.post(f"{prefix}/run/hello-world", body, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]
    assert runs[0].json() != runs[1].json()


async def test_times_of_runs_of_one_tag_sort_as_text(world: World, api: Client) -> None:
    later = [LONG_AGO + timedelta(microseconds=n) for n in (0, 9, 10, 100_000, 1_000_000)]
    runs = [a_checkpoint(received_at=time) for time in later]
    for run in runs:
        await world.stores.store.accept(run, None)
    shown = [
        (await api.get(f"/algorithm/v1/metadata/{of(run.key)}")).json()["received_at"]
        for run in runs
    ]
    assert sorted(shown) == shown
