import base64
import json
import zlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nexus_core.domain.acceptance import (
    AcceptedRun,
    ParentJob,
    RunFacts,
    RunPlan,
    accept_run,
    content_hash,
    decode_request,
    parent_job,
    plan_run,
)
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.domain.template import PayloadConfiguration, Template, WorkgroupSpec
from support.jobs import URLS
from support.runs import LONG_AGO, a_checkpoint, a_template_spec

TEMPLATE = Template("hello-world", a_template_spec())
PARENT = {"requestId": "0192e4a0-0000-7000-8000-00000000000f", "algorithmName": "fan-out"}
REQUEST_ID = "0192e4a0-0000-7000-8000-000000000001"


def a_plan(template: Template = TEMPLATE, **fields: Any) -> RunPlan:
    body = msgspec.json.encode({"algorithmParameters": {"name": "you"}} | fields)
    return plan_run(decode_request(body), template)


def refused_fields(**fields: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as raised:
        a_plan(**fields)
    return [problem.field for problem in raised.value.problems]


def an_accepted_run(plan: RunPlan, **facts: Any) -> AcceptedRun:
    base = RunFacts(
        request_id=REQUEST_ID,
        now=LONG_AGO,
        owner="scheduler-0",
        workgroup=WorkgroupSpec(cluster="shard-0"),
        urls=URLS,
        nexus_version="0.1.0",
    )
    return accept_run(plan, msgspec.structs.replace(base, **facts))


# What nexus-client-sdk 1.8.5 sends, as it was recorded; the payload keeps the client's own order.
PUBLISHED_CLIENT = {
    "plain": b'{"algorithmParameters":{"a":1},"requestApiVersion":"1.2"}',
    "nothing-overridden": (
        b'{"algorithmParameters":{"a":1},"customConfiguration":{"container":{}},'
        b'"requestApiVersion":"1.2","tag":"t"}'
    ),
    "everything": (
        b'{"algorithmParameters":{},"customConfiguration":{"computeResources":{"limits":'
        b'{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"500m","memory":"512Mi"}},"container":'
        b'{"versionTag":"2.0"},"runtimeEnvironment":{"deadlineSeconds":60,"maximumRetries":3},'
        b'"workgroupRef":{"group":"science.sneaksanddata.com/v1","kind":"NexusAlgorithmWorkgroup",'
        b'"name":"gpu"}},"parentRequest":{"algorithmName":"parent",'
        b'"requestId":"0f0e0d0c-0b0a-4908-8706-050403020100"},"requestApiVersion":"1.2",'
        b'"tag":"tag \xc3\xa9"}'
    ),
    "values": (
        b'{"algorithmParameters":{"n":null,"x":1.5,"b":1152921504606846976,'
        b'"s":"\\u00e9\\u2028<&>"},"customConfiguration":{"container":{}},'
        b'"requestApiVersion":"1.2"}'
    ),
    "limits-alone": (
        b'{"algorithmParameters":{"x":1},"customConfiguration":{"computeResources":{"limits":'
        b'{"cpu":"2","memory":"1Gi"}},"container":{}},"requestApiVersion":"1.2"}'
    ),
    "empty-tag": b'{"algorithmParameters":{"x":1},"requestApiVersion":"1.2","tag":""}',
}


@pytest.mark.parametrize("name", PUBLISHED_CLIENT)
def test_bodies_of_the_published_client_are_accepted(name: str) -> None:
    plan = plan_run(decode_request(PUBLISHED_CLIENT[name]), TEMPLATE)
    assert plan.payload in PUBLISHED_CLIENT[name]
    assert plan.api_version == "1.2"


def test_the_published_clients_overrides_are_applied() -> None:
    plan = plan_run(decode_request(PUBLISHED_CLIENT["everything"]), TEMPLATE)
    assert plan.workgroup == "gpu"
    assert plan.tag == "tag é"
    assert plan.parent is not None
    assert plan.parent.key == RunKey("parent", "0f0e0d0c-0b0a-4908-8706-050403020100")
    assert plan.spec.container.version_tag == "2.0"
    assert plan.spec.runtime_environment is not None
    assert plan.spec.runtime_environment.deadline_seconds == 60
    assert plan.spec.compute_resources is not None
    assert plan.spec.compute_resources.limits == {"cpu": "2", "memory": "1Gi"}


@pytest.mark.parametrize("parameters", [[], [1], None, "text", 1, True])
def test_parameters_that_are_no_object_are_refused(parameters: object) -> None:
    assert refused_fields(algorithmParameters=parameters) == ["algorithmParameters"]


def test_parameters_may_stand_anywhere_between_blanks() -> None:
    plan = plan_run(decode_request(b'{ "algorithmParameters" :\n { "a" : 1 } }'), TEMPLATE)
    assert plan.payload == b'{ "a" : 1 }'


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"tag": "x" * 1025}, ["tag"]),
        ({"tag": "two\nlines"}, ["tag"]),
        ({"tag": "nothing\x00"}, ["tag"]),
        ({"requestApiVersion": "1" * 65}, ["requestApiVersion"]),
        ({"parentRequest": PARENT | {"requestId": "../x"}}, ["parentRequest.requestId"]),
        ({"parentRequest": PARENT | {"requestId": ""}}, ["parentRequest.requestId"]),
        ({"parentRequest": PARENT | {"algorithmName": "A/B"}}, ["parentRequest.algorithmName"]),
        ({"payloadValidFor": "soon"}, ["payloadValidFor"]),
        ({"payloadValidFor": "0s"}, ["payloadValidFor"]),
        ({"tag": "\n", "algorithmParameters": []}, ["algorithmParameters", "tag"]),
    ],
)
def test_what_is_unsound_is_named(fields: dict[str, Any], refused: list[str]) -> None:
    assert refused_fields(**fields) == refused


@pytest.mark.parametrize("tag", ["", "a", "with spaces / and signs: é€", "x" * 1024])
def test_tags_are_printable_lines(tag: str) -> None:
    assert a_plan(tag=tag).tag == tag


@pytest.mark.parametrize(
    ("requested", "template", "hours"), [("2h", "3h", 2), ("", "3h", 3), (None, "", 24)]
)
def test_urls_are_valid_as_long_as_somebody_says(
    requested: str | None, template: str, hours: int
) -> None:
    spec = a_template_spec(payload_configuration=PayloadConfiguration(payload_valid_for=template))
    plan = a_plan(Template("hello-world", spec), payloadValidFor=requested)
    assert plan.payload_valid_for == timedelta(hours=hours)


def test_a_template_may_name_no_workgroup() -> None:
    assert a_plan(Template("hello-world", a_template_spec(workgroup_ref=None))).workgroup == ""


@pytest.mark.parametrize("payload", [b"{}", b'{"name":"you"}', b'{"a":"' + b"x" * 100 + b'"}'])
def test_the_content_hash_is_the_crc32_in_hex_in_base64(payload: bytes) -> None:
    told = base64.b64decode(content_hash(payload)).decode()
    assert int(told, 16) == zlib.crc32(payload)
    assert len(told) == 8
    assert told == told.lower()


def test_the_content_hash_keeps_leading_zeros() -> None:
    assert content_hash(b'{"n":16553}') == base64.b64encode(b"0000acc0").decode()


def test_an_accepted_run_records_the_request() -> None:
    plan = a_plan(
        tag="group",
        parentRequest=PARENT,
        requestApiVersion="1.2",
        customConfiguration={"container": {"versionTag": "2.0"}},
    )
    run = an_accepted_run(plan)
    assert run.payload == b'{"name":"you"}'
    assert run.checkpoint == a_checkpoint(
        id=REQUEST_ID,
        lifecycle_stage=Stage.BUFFERED,
        payload_uri=URLS.payload,
        received_by_host="scheduler-0",
        received_at=LONG_AGO,
        last_modified=LONG_AGO,
        applied_configuration=plan.spec,
        configuration_overrides=plan.overrides,
        content_hash=content_hash(b'{"name":"you"}'),
        tag="group",
        api_version="1.2",
        parent=plan.parent,
    )
    assert run.job.cluster == "shard-0"
    assert msgspec.json.decode(run.job.manifest)["metadata"]["name"] == REQUEST_ID


def test_a_dry_run_is_complete_from_the_start_so_that_no_sweep_submits_it() -> None:
    run = an_accepted_run(a_plan(), dry_run=True)
    assert run.checkpoint.lifecycle_stage is Stage.COMPLETED
    assert run.job.manifest == an_accepted_run(a_plan()).job.manifest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {"algorithmParameters": JSON | st.just({})},
    optional={
        "tag": JSON,
        "requestApiVersion": JSON,
        "payloadValidFor": JSON | st.sampled_from(["1h", "0", "9" * 30 + "h"]),
        "parentRequest": JSON
        | st.fixed_dictionaries({"requestId": st.text(), "algorithmName": st.text()}),
        "customConfiguration": JSON
        | st.fixed_dictionaries(
            {},
            optional={
                "container": st.fixed_dictionaries({}, optional={"versionTag": JSON}),
                "computeResources": st.fixed_dictionaries(
                    {},
                    optional={
                        "cpuLimit": JSON,
                        "limits": st.dictionaries(st.sampled_from(["cpu", "memory", "x"]), JSON),
                        "requests": st.dictionaries(st.sampled_from(["cpu", "memory"]), JSON),
                    },
                ),
                "runtimeEnvironment": st.fixed_dictionaries(
                    {}, optional={"deadlineSeconds": JSON, "maximumRetries": JSON}
                ),
            },
        ),
    },
)


def outcome(body: bytes) -> AcceptedRun | InvalidInputError:
    try:
        return an_accepted_run(plan_run(decode_request(body), TEMPLATE))
    except InvalidInputError as error:
        return error


# No deadlines: machines that run tests are slow at times, and this is not a test of speed.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FIELDS)
def test_any_json_is_accepted_or_refused_for_a_reason(fields: dict[str, Any]) -> None:
    run = outcome(json.dumps(fields).encode())
    if isinstance(run, InvalidInputError):
        assert run.problems
    else:
        assert b"null" not in msgspec.json.encode(run.checkpoint.applied_configuration)


@settings(deadline=None)
@given(st.binary())
def test_bytes_at_random_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidInputError):
        decode_request(body)


def owners(run: AcceptedRun) -> list[str]:
    metadata = msgspec.json.decode(run.job.manifest)["metadata"]
    return [owner["uid"] for owner in metadata.get("ownerReferences", [])]


@pytest.mark.parametrize(
    ("parent", "uids"),
    [(ParentJob("shard-0", "uid-1"), ["uid-1"]), (ParentJob("shard-1", "uid-1"), []), (None, [])],
)
def test_a_parents_job_owns_only_in_its_own_cluster(
    parent: ParentJob | None, uids: list[str]
) -> None:
    assert owners(an_accepted_run(a_plan(parentRequest=PARENT), parent_job=parent)) == uids


def test_a_run_without_a_parent_is_owned_by_nobody() -> None:
    assert owners(an_accepted_run(a_plan(), parent_job=ParentJob("shard-0", "uid-1"))) == []


@pytest.mark.parametrize(
    ("changes", "owns"),
    [
        ({"lifecycle_stage": Stage.RUNNING, "job_uid": "uid-1"}, True),
        ({"lifecycle_stage": Stage.RUNNING}, False),
        ({"lifecycle_stage": Stage.COMPLETED, "job_uid": "uid-1"}, False),
        ({"lifecycle_stage": Stage.CANCELLED, "job_uid": "uid-1"}, False),
    ],
)
def test_only_an_unfinished_parent_with_a_job_owns(changes: dict[str, Any], *, owns: bool) -> None:
    assert (parent_job(a_checkpoint(**changes), "shard-0") is not None) is owns


def test_an_unknown_parent_owns_nothing() -> None:
    assert parent_job(None, "shard-0") is None
