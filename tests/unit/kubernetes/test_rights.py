"""Which rights are asked for, and how."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from aiohttp import web

from nexus_core.adapters.kubernetes.rights import FOLLOWING, LAUNCHING, READING, Right, what_lacks
from nexus_core.domain.errors import UnavailableError
from support.clock import ManualClock
from support.kubernetes import connected
from support.scripted_api_server import json_answer, scripted_api_server

# Those without which all else works: what is written about each in the files.
CAN_BE_LEFT_OUT = {
    Right("get", "pods/log"),
    Right("patch", "nexusalgorithmtemplates/status", "science.sneaksanddata.com"),
    Right("patch", "nexusalgorithmworkgroups/status", "science.sneaksanddata.com"),
}

NEEDED = (Right("create", "jobs", "batch"), Right("list", "pods"))


@pytest.mark.parametrize(
    ("account", "needed"),
    [("scheduler", {*LAUNCHING, *READING}), ("supervisor", {*FOLLOWING})],
)
def test_what_is_asked_for_is_what_the_files_give(account: str, needed: set[Right]) -> None:
    documents = yaml.safe_load_all(Path(f"deploy/rbac/{account}.yaml").read_text("utf-8"))
    given = {
        Right(verb, resource, group)
        for document in documents
        for rule in document.get("rules", ())
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert needed == given - CAN_BE_LEFT_OUT


def rules(*granted: dict[str, Any], incomplete: bool = False) -> dict[str, Any]:
    return {"status": {"resourceRules": list(granted), "incomplete": incomplete}}


def rule(verbs: str, groups: str, resources: str, **more: Any) -> dict[str, Any]:
    return {"verbs": [verbs], "apiGroups": [groups], "resources": [resources], **more}


async def lacks(clock: ManualClock, *answers: Any) -> str:
    async with scripted_api_server() as server:
        server.answers(*answers)
        async with connected(server.url, clock) as connection:
            return await what_lacks(connection, "runs", NEEDED)


async def test_all_that_is_granted_is_asked_for_at_once(clock: ManualClock) -> None:
    granted = rules(rule("create", "batch", "jobs"), rule("*", "", "pods"))

    async with scripted_api_server() as server:
        server.answers(json_answer(201, granted))
        async with connected(server.url, clock) as connection:
            assert await what_lacks(connection, "runs", NEEDED) == ""
        assert [request.path for request in server.requests] == [
            "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        ]


async def test_what_is_missing_is_named_with_its_namespace(clock: ManualClock) -> None:
    denied = json_answer(201, {"status": {"allowed": False}})
    said = await lacks(clock, json_answer(201, rules(rule("*", "", "pods"))), denied)

    assert "may not create jobs.batch in namespace 'runs'" in said


async def test_a_right_to_one_object_alone_is_none(clock: ManualClock) -> None:
    one = rule("create", "batch", "jobs", resourceNames=["a"])
    denied = json_answer(201, {"status": {"allowed": False}})

    assert "create jobs.batch" in await lacks(
        clock, json_answer(201, rules(one, rule("list", "", "*"))), denied
    )


async def test_what_an_authorizer_cant_list_is_asked_one_by_one(clock: ManualClock) -> None:
    asked: list[dict[str, str]] = []

    async def allow(request: web.Request) -> web.StreamResponse:
        spec = msgspec.json.decode(await request.read())["spec"]
        asked.append(spec["resourceAttributes"])
        return web.json_response({"status": {"allowed": True}})

    assert await lacks(clock, json_answer(201, rules(incomplete=True)), allow) == ""
    assert asked == [
        {"namespace": "runs", "verb": "create", "group": "batch", "resource": "jobs"},
        {"namespace": "runs", "verb": "list", "group": "", "resource": "pods"},
    ]


@pytest.mark.parametrize(
    "answer", [json_answer(403, {"message": "no reviews here"}), json_answer(200, {"a": 1})]
)
async def test_a_server_that_does_not_say_is_no_lack(clock: ManualClock, answer: Any) -> None:
    with pytest.raises(UnavailableError):
        await lacks(clock, answer)
