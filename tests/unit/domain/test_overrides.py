from typing import Any

import msgspec
import pytest

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.overrides import apply_overrides
from nexus_core.domain.request import Overrides
from nexus_core.domain.template import (
    ComputeResources,
    PayloadConfiguration,
    Quantity,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupRef,
)
from support.runs import a_template_spec

TEMPLATE: TemplateSpec = a_template_spec(
    compute_resources=ComputeResources(
        limits={"cpu": "1", "memory": "128Mi"}, custom_resources={"nvidia.com/gpu": "1"}
    ),
    runtime_environment=RuntimeEnvironment(deadline_seconds=60, maximum_retries=3),
)


def applied(overrides: dict[str, Any], spec: TemplateSpec = TEMPLATE) -> dict[str, Any]:
    """Return the applied configuration as a client sees it."""
    run = apply_overrides(spec, msgspec.convert(overrides, Overrides))
    seen: dict[str, Any] = msgspec.to_builtins(run)
    return seen


def refusal(overrides: dict[str, Any], spec: TemplateSpec = TEMPLATE) -> list[str]:
    with pytest.raises(InvalidInputError) as raised:
        applied(overrides, spec)
    return [problem.field for problem in raised.value.problems]


UNCHANGED = msgspec.to_builtins(apply_overrides(TEMPLATE))


def test_all_eight_parts_are_shown_even_if_the_template_has_none() -> None:
    bare = a_template_spec(compute_resources=None, workgroup_ref=None)
    assert msgspec.to_builtins(apply_overrides(bare)) == {
        "container": {
            "image": "hello",
            "registry": "registry.test/algorithms",
            "versionTag": "1.0",
        },
        "command": "python3 main.py",
        "computeResources": {},
        "workgroupRef": {},
        "payloadConfiguration": {},
        "runtimeEnvironment": {},
        "errorHandlingBehaviour": {},
        "datadogIntegrationSettings": {},
    }


def test_nulls_in_core_objects_are_dropped() -> None:
    runtime = RuntimeEnvironment(
        environment_variables=[{"name": "A", "value": None, "valueFrom": {"fieldRef": None}}],
        mapped_environment_variables=[{"prefix": None, "secretRef": {"name": "s"}}],
        storage_mounts={"emptyDir": {"name": "x", "mountPath": "/x", "subPath": None}},
        configuration_file_mounts={"c": {"name": "c", "mountPath": "/c", "subPath": None}},
        secret_file_mounts={"s": {"name": "s", "mountPath": "/s", "subPath": None}},
    )
    encoded = msgspec.json.encode(apply_overrides(a_template_spec(runtime_environment=runtime)))
    assert b"null" not in encoded
    assert b'{"name":"A","valueFrom":{}}' in encoded


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"container": {}},
        {"container": None, "computeResources": None, "workgroupRef": None},
        {"container": {"image": "", "registry": None, "versionTag": ""}},
        {"computeResources": {"cpuLimit": "", "memoryLimit": None, "limits": {}, "requests": None}},
        {"computeResources": {"limits": {"cpu": ""}, "requests": {"memory": ""}}},
        {"workgroupRef": {"name": "", "group": None}},
        {"runtimeEnvironment": {"deadlineSeconds": 0, "maximumRetries": -1}},
        {"runtimeEnvironment": {"deadlineSeconds": None, "maximumRetries": None}},
    ],
)
def test_what_is_empty_keeps_the_template(overrides: dict[str, Any]) -> None:
    assert applied(overrides) == UNCHANGED


@pytest.mark.parametrize(
    "overrides",
    [
        {"container": {"serviceAccountName": "admin"}},
        {"command": "sh -c true"},
        {"args": ["--other"]},
        {"runtimeEnvironment": {"environmentVariables": [{"name": "A", "value": "1"}]}},
        {"runtimeEnvironment": {"secretFileMounts": {"s": {"name": "s", "mountPath": "/s"}}}},
        {"runtimeEnvironment": {"annotations": {"a": "b"}}},
        {"errorHandlingBehaviour": {"fatalExitCodes": [1]}},
        {"computeResources": {"customResources": {"nvidia.com/gpu": "8"}}},
        {"computeResources": {"limits": {"nvidia.com/gpu": 8}}},
        {"computeResources": {"requests": {"nvidia.com/gpu": 8}}},
        {"datadogIntegrationSettings": {"mountDatadogSocket": True}},
        {"payloadConfiguration": {"payloadValidFor": "1h"}},
    ],
)
def test_what_would_escape_the_template_is_ignored(overrides: dict[str, Any]) -> None:
    assert applied(overrides) == UNCHANGED


def test_what_may_be_changed_is_changed() -> None:
    run = applied(
        {
            "container": {"image": "other", "registry": "registry.other", "versionTag": "2.0"},
            "computeResources": {
                "limits": {"cpu": "2", "memory": "1Gi"},
                "requests": {"cpu": "500m", "memory": "512Mi"},
            },
            "workgroupRef": {"name": "gpu", "group": "g", "kind": "NexusAlgorithmWorkgroup"},
            "runtimeEnvironment": {"deadlineSeconds": 10, "maximumRetries": 0},
        }
    )
    assert run == UNCHANGED | {
        "container": {"image": "other", "registry": "registry.other", "versionTag": "2.0"},
        "computeResources": {
            "limits": {"cpu": "2", "memory": "1Gi"},
            "requests": {"cpu": "500m", "memory": "512Mi"},
            "customResources": {"nvidia.com/gpu": "1"},
        },
        "workgroupRef": {"name": "gpu", "group": "g", "kind": "NexusAlgorithmWorkgroup"},
        "runtimeEnvironment": {"deadlineSeconds": 10, "maximumRetries": 0},
    }


BOTH: dict[str, Quantity] = {"cpu": "1", "memory": "128Mi"}
NEWER = ComputeResources(limits=BOTH)
OLDER = ComputeResources(cpu_limit="1", memory_limit="128Mi")
GPU = ComputeResources(limits={"cpu": "1", "nvidia.com/gpu": 1})


@pytest.mark.parametrize(
    ("template", "override", "run"),
    [
        (NEWER, {"limits": {"cpu": 2}}, {"limits": BOTH | {"cpu": 2}}),
        (NEWER, {"cpuLimit": "2"}, {"limits": BOTH | {"cpu": "2"}}),
        (NEWER, {"memoryLimit": "1Gi"}, {"limits": BOTH | {"memory": "1Gi"}}),
        (NEWER, {"cpuLimit": "3", "limits": {"cpu": "2"}}, {"limits": BOTH | {"cpu": "2"}}),
        (NEWER, {"requests": {"cpu": 1}}, {"limits": BOTH, "requests": {"cpu": 1}}),
        (OLDER, {"cpuLimit": "2"}, {"cpuLimit": "2", "memoryLimit": "128Mi"}),
        (OLDER, {"limits": {"cpu": 2}}, {"limits": BOTH | {"cpu": 2}}),
        (None, {"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1Gi"}}),
        (None, {"limits": {"nvidia.com/gpu": 2}}, {}),
        (GPU, {"limits": {"nvidia.com/gpu": 2}}, {"limits": {"cpu": "1", "nvidia.com/gpu": 2}}),
    ],
)
def test_resources_are_merged_one_by_one(
    template: ComputeResources | None, override: dict[str, Any], run: dict[str, Any]
) -> None:
    spec = a_template_spec(compute_resources=template)
    assert applied({"computeResources": override}, spec)["computeResources"] == run


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"computeResources": {"limits": {"cpu": "lots"}}}, "computeResources.limits.cpu"),
        ({"computeResources": {"limits": {"cpu": -1}}}, "computeResources.limits.cpu"),
        ({"computeResources": {"limits": {"memory": 10**30}}}, "computeResources.limits.memory"),
        ({"computeResources": {"requests": {"cpu": "2"}}}, "computeResources.requests.cpu"),
        ({"container": {"image": "hello world"}}, "container.image"),
        ({"container": {"registry": "my registry"}}, "container.registry"),
        ({"container": {"versionTag": "../1"}}, "container.versionTag"),
        ({"workgroupRef": {"name": "../etc"}}, "workgroupRef.name"),
        ({"workgroupRef": {"kind": "Secret"}}, "workgroupRef.kind"),
        ({"runtimeEnvironment": {"deadlineSeconds": -1}}, "runtimeEnvironment.deadlineSeconds"),
        ({"runtimeEnvironment": {"deadlineSeconds": 2**40}}, "runtimeEnvironment.deadlineSeconds"),
        ({"runtimeEnvironment": {"maximumRetries": -2}}, "runtimeEnvironment.maximumRetries"),
    ],
)
def test_unsound_changes_are_refused_by_the_path_in_the_request(
    overrides: dict[str, Any], field: str
) -> None:
    assert refusal(overrides) == [f"customConfiguration.{field}"]


def test_an_older_override_is_refused_by_its_own_name() -> None:
    older = a_template_spec(compute_resources=OLDER)
    assert refusal({"computeResources": {"memoryLimit": "much"}}, older) == [
        "customConfiguration.computeResources.memoryLimit"
    ]


def test_all_that_is_wrong_is_told_at_once() -> None:
    overrides = {
        "container": {"versionTag": "?"},
        "computeResources": {"limits": {"cpu": "?", "memory": "?"}},
    }
    assert len(refusal(overrides)) == 3


def test_the_requests_payload_validity_wins_over_the_templates() -> None:
    spec = a_template_spec(
        payload_configuration=PayloadConfiguration(
            payload_valid_for="1h", payload_serialization="backend"
        )
    )
    assert apply_overrides(spec).payload_configuration == spec.payload_configuration
    assert apply_overrides(spec, None, "2h").payload_configuration == PayloadConfiguration(
        payload_valid_for="2h", payload_serialization="backend"
    )


@pytest.mark.parametrize("text", ["soon", "0", "-1h", "24", "1d"])
def test_a_payload_validity_that_is_no_positive_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        apply_overrides(TEMPLATE, None, text)
    assert [problem.field for problem in raised.value.problems] == ["payloadValidFor"]


def test_the_template_is_left_as_it_was() -> None:
    before = msgspec.json.encode(TEMPLATE)
    applied({"computeResources": {"limits": {"cpu": 2}}, "workgroupRef": {"name": "gpu"}})
    assert msgspec.json.encode(TEMPLATE) == before
    assert TEMPLATE.workgroup_ref == WorkgroupRef(name="default")
