from typing import Any

import msgspec
import pytest

from nexus_core.domain.template import TemplateSpec, WorkgroupSpec
from nexus_core.domain.template_rules import template_problems, workgroup_problems
from support.mistakes import EVERYTHING, changed


def a_spec(path: str, value: Any) -> TemplateSpec:
    return msgspec.convert(changed(EVERYTHING, path, value), TemplateSpec)


def fields(spec: TemplateSpec) -> list[str]:
    return [problem.field for problem in template_problems(spec)]


def test_a_template_that_uses_everything_is_sound() -> None:
    assert template_problems(msgspec.convert(EVERYTHING, TemplateSpec)) == ()


def test_a_template_with_only_what_is_required_is_sound() -> None:
    document = {"container": EVERYTHING["container"], "command": "run"}
    assert template_problems(msgspec.convert(document, TemplateSpec)) == ()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("command", ""),
        ("command", " \t"),
        ("command", "a\0b"),
        ("container.image", ""),
        ("container.image", "Hello"),
        ("container.image", "hello:1"),
        ("container.image", "hello world"),
        ("container.image", "../hello"),
        ("container.registry", ""),
        ("container.registry", "registry.test/"),
        ("container.registry", "registry test"),
        ("container.versionTag", ""),
        ("container.versionTag", ".1"),
        ("container.versionTag", "x" * 129),
        ("container.serviceAccountName", "Not A Name"),
        ("computeResources.cpuLimit", "much"),
        ("computeResources.cpuLimit", "0"),
        ("computeResources.memoryLimit", "500MB"),
        ("computeResources.memoryLimit", "-1"),
        ("computeResources.limits.cpu", 0),
        ("computeResources.limits.cpu", "nan"),
        ("computeResources.limits.memory", "1e400"),
        ("computeResources.limits.ephemeral-storage", "-1"),
        ("computeResources.limits.not a resource", "1"),
        ("computeResources.requests.cpu", "2001m"),
        ("computeResources.requests.memory", ""),
        ("computeResources.defaultResourceQuota", "0"),
        ("computeResources.defaultResourceQuota", "1.01"),
        ("computeResources.defaultResourceQuota", "a tenth"),
        ("workgroupRef.name", ""),
        ("workgroupRef.kind", "Workgroup"),
        ("workgroupRef.name", "../default"),
        ("payloadConfiguration.payloadValidFor", "1 day"),
        ("payloadConfiguration.payloadValidFor", "0s"),
        ("payloadConfiguration.payloadValidFor", "-1h"),
        ("payloadConfiguration.payloadSerialization", "S3"),
        ("runtimeEnvironment.deadlineSeconds", 0),
        ("runtimeEnvironment.deadlineSeconds", -1),
        ("runtimeEnvironment.deadlineSeconds", 2**31),
        ("runtimeEnvironment.maximumRetries", -1),
        ("runtimeEnvironment.maximumRetries", 2**31),
        ("runtimeEnvironment.annotations.not a key", ""),
        ("errorHandlingBehaviour.fatalExitCodes", [0]),
        ("errorHandlingBehaviour.fatalExitCodes", [256]),
        ("errorHandlingBehaviour.transientExitCodes", [-1]),
        ("errorHandlingBehaviour.transientExitCodes", [3, 3]),
    ],
)
def test_names_the_field_of_an_unsound_value(path: str, value: Any) -> None:
    assert fields(a_spec(path, value)) == [f"spec.{path}"]


@pytest.mark.parametrize("argument", ["--sas-uri", "--request-id=", "--sas-uri=%d", "request-id"])
def test_an_argument_that_asks_for_a_value_says_where_it_goes(argument: str) -> None:
    assert fields(a_spec("args", ["%s", argument])) == ["spec.args[1]"]


def test_a_reference_that_is_empty_as_a_whole_is_as_good_as_missing() -> None:
    assert fields(a_spec("workgroupRef", {})) == []


@pytest.mark.parametrize(
    ("variable", "field"),
    [
        ({}, ".name"),
        ({"name": ""}, ".name"),
        ({"name": 1}, ".name"),
        ({"name": "1ST"}, ".name"),
        ({"name": "A=B"}, ".name"),
        ({"name": "LEVEL", "value": "again"}, ".name"),
        ({"name": "N", "value": 1}, ".value"),
        ({"name": "N", "value": True}, ".value"),
        ({"name": "N", "value": ["x"]}, ".value"),
        ({"name": "N", "valueFrom": "secret"}, ".valueFrom"),
        ({"name": "N", "valueFrom": {}}, ".valueFrom"),
        ({"name": "N", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}, ""),
    ],
)
def test_an_environment_variable_has_a_unique_name_and_a_text(
    variable: dict[str, Any], field: str
) -> None:
    path = "runtimeEnvironment.environmentVariables"
    spec = a_spec(path, [{"name": "LEVEL"}, variable])
    assert fields(spec) == [f"spec.{path}[1]{field}"]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"prefix": "P_"},
        {"secretRef": {}},
        {"secretRef": {"name": ""}},
        {"secretRef": "name"},
        {"secretRef": {"name": "a"}, "configMapRef": {"name": "b"}},
    ],
)
def test_a_mapped_environment_names_one_source(source: dict[str, Any]) -> None:
    path = "runtimeEnvironment.mappedEnvironmentVariables"
    assert fields(a_spec(path, [source])) == [f"spec.{path}[0]"]


@pytest.mark.parametrize(
    ("mount", "field"),
    [
        ({"mountPath": "/x"}, ".name"),
        ({"name": "Not_A_Label", "mountPath": "/x"}, ".name"),
        ({"name": "keys", "mountPath": "/x"}, ".name"),
        ({"name": "dsdsocket", "mountPath": "/x"}, ".name"),
        ({"name": "x"}, ".mountPath"),
        ({"name": "x", "mountPath": ""}, ".mountPath"),
        ({"name": "x", "mountPath": "/a:b"}, ".mountPath"),
        ({"name": "x", "mountPath": "/keys"}, ".mountPath"),
        ({"name": "x", "mountPath": 1}, ".mountPath"),
    ],
)
def test_a_mount_has_a_volume_and_a_path_of_its_own(mount: dict[str, Any], field: str) -> None:
    path = "runtimeEnvironment.storageMounts"
    assert fields(a_spec(path, {"claim": mount})) == [f"spec.{path}.claim{field}"]


def test_the_datadog_volume_is_free_where_its_socket_is_not_mounted() -> None:
    mount = {"name": "dsdsocket", "mountPath": "/x"}
    spec = a_spec("runtimeEnvironment.storageMounts", {"claim": mount})
    assert template_problems(msgspec.structs.replace(spec, datadog_integration_settings=None)) == ()


@pytest.mark.parametrize("amount", ["half", "500m", "-1"])
def test_extended_resources_are_counted_in_whole_numbers(amount: str) -> None:
    path = "computeResources.customResources"
    assert fields(a_spec(path, {"nvidia.com/gpu": amount})) == [f"spec.{path}.nvidia.com/gpu"]


@pytest.mark.parametrize(
    ("compute", "field"),
    [
        ({"limits": {"gpu": "1"}}, "limits.gpu"),
        ({"limits": {"CPU": "1"}}, "limits.CPU"),
        ({"customResources": {"gpu": "1"}}, "customResources.gpu"),
        ({"limits": {"a/gpu": "0.5"}}, "limits.a/gpu"),
        ({"requests": {"a/gpu": "1"}}, "requests.a/gpu"),
        ({"limits": {"a/gpu": "2"}, "requests": {"a/gpu": "1"}}, "requests.a/gpu"),
        (
            {
                "limits": {"cpu": "1", "hugepages-2Mi": "4Mi"},
                "requests": {"hugepages-2Mi": "2Mi"},
            },
            "requests.hugepages-2Mi",
        ),
    ],
)
def test_what_no_container_can_have_is_told(compute: dict[str, Any], field: str) -> None:
    assert fields(a_spec("computeResources", compute)) == [f"spec.computeResources.{field}"]


@pytest.mark.parametrize(
    "compute",
    [
        {"limits": {"a/gpu": "1"}, "requests": {"a/gpu": "1000m"}},
        {"limits": {"a/gpu": "1", "cpu": "1"}, "requests": {"cpu": "0.5"}},
        # A custom resource replaces both.
        {"customResources": {"a/gpu": "2"}, "requests": {"a/gpu": "1"}},
        {"limits": {"kubernetes.io/batch-cpu": "2"}, "requests": {"kubernetes.io/batch-cpu": "1"}},
        {"limits": {"cpu": "1", "ephemeral-storage": "0.5", "hugepages-2Mi": "4Mi"}},
    ],
)
def test_what_kubernetes_takes_of_other_resources_is_sound(compute: dict[str, Any]) -> None:
    assert fields(a_spec("computeResources", compute)) == []


def test_tells_all_problems_at_once_in_the_order_of_the_fields() -> None:
    spec = a_spec("container.image", "")
    spec = msgspec.structs.replace(spec, command="")
    assert fields(spec) == ["spec.container.image", "spec.command"]


def test_field_paths_begin_where_the_spec_stands() -> None:
    problems = template_problems(a_spec("command", ""), "customConfiguration")
    assert [problem.field for problem in problems] == ["customConfiguration.command"]


def test_a_workgroup_names_its_cluster() -> None:
    assert workgroup_problems(WorkgroupSpec(cluster="shard-0")) == ()
    for cluster in ("", "Shard", "a/b", "a..b"):
        problems = workgroup_problems(WorkgroupSpec(cluster=cluster))
        assert [problem.field for problem in problems] == ["spec.cluster"]
