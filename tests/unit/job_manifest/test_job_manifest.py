"""Rules of the Job that want more cases than a golden file shows."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from nexus_core.domain.job_manifest import JobOrder, RunUrls, build_job
from nexus_core.domain.request import ParentReference
from nexus_core.domain.template import ComputeResources, RuntimeEnvironment
from support.jobs import URLS, a_job_order
from support.runs import a_template_spec

PARENT = ParentReference(
    request_id="0192e4a0-0000-7000-8000-00000000000f", algorithm_name="fan-out"
)


def container_of(order: JobOrder) -> dict[str, Any]:
    containers = build_job(order)["spec"]["template"]["spec"]["containers"]
    assert len(containers) == 1
    container: dict[str, Any] = containers[0]
    return container


def an_order_with(**parts: Any) -> JobOrder:
    return a_job_order(spec=a_template_spec(**parts))


def an_order_with_environment(*variables: dict[str, Any], **changes: Any) -> JobOrder:
    runtime = RuntimeEnvironment(environment_variables=list(variables))
    return a_job_order(spec=a_template_spec(runtime_environment=runtime), **changes)


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("--sas-uri=%s", f"--sas-uri={URLS.payload}"),
        ("--request-id=%s", "--request-id=0192e4a0-0000-7000-8000-000000000001"),
        ("--sas-uri=%s#request-id", f"--sas-uri={URLS.payload}#request-id"),
        ("--plain=%s", "--plain=%s"),
        ("--sas-uri", "--sas-uri"),
        ("--sas-uri=%s 100%%", f"--sas-uri={URLS.payload} 100%"),
        ("--sas-uri=%d", "--sas-uri=%d"),
        ("100%%", "100%%"),
        ("sas-uri %s %s", f"sas-uri {URLS.payload} {URLS.payload}"),
        ("sas-uri %%s", "sas-uri %s"),
    ],
)
def test_arguments_are_filled_in(template: str, filled: str) -> None:
    assert container_of(an_order_with(args=[template]))["args"] == [filled]


def test_commands_are_split_on_spaces() -> None:
    assert container_of(an_order_with(command=" python3  -m main "))["command"] == [
        "python3",
        "-m",
        "main",
    ]


def test_variables_come_in_the_order_of_the_contract() -> None:
    order = an_order_with_environment(
        {"name": "B", "value": "1"}, {"name": "A", "value": "2"}, parent=PARENT
    )
    assert [variable["name"] for variable in container_of(order)["env"]] == [
        "B",
        "A",
        "NEXUS__ALGORITHM_NAME",
        "NEXUS__SHARD_NAME",
        "NEXUS__PARENT_REQUEST_ID",
        "NEXUS__PARENT_ALGORITHM_NAME",
        "NEXUS__REQUEST_ID",
        "NEXUS__RECEIVER_URL",
        "NEXUS__SCHEDULER_URL",
        "NEXUS__PAYLOAD_URL",
        "NEXUS__RESULT_UPLOAD_URL",
    ]


@pytest.mark.parametrize(
    "name", ["NEXUS__REQUEST_ID", "NEXUS__ALGORITHM_NAME", "NEXUS__PAYLOAD_URL"]
)
def test_a_template_cannot_say_what_the_run_is(name: str) -> None:
    variables = container_of(an_order_with_environment({"name": name, "value": "forged"}))["env"]
    values = [variable["value"] for variable in variables if variable["name"] == name]
    assert len(values) == 1
    assert values != ["forged"]


@pytest.mark.parametrize("name", ["NEXUS__RECEIVER_URL", "NEXUS__SCHEDULER_URL"])
def test_a_template_may_say_where_the_services_are(name: str) -> None:
    theirs = {"name": name, "value": "http://inside.svc"}
    variables = container_of(an_order_with_environment(theirs))["env"]
    assert [variable for variable in variables if variable["name"] == name] == [theirs]


def test_addresses_that_are_not_known_are_not_told() -> None:
    order = a_job_order(urls=RunUrls(payload="https://nexus.test/p"))
    names = {variable["name"] for variable in container_of(order)["env"]}
    assert {name for name in names if name.endswith("_URL")} == {"NEXUS__PAYLOAD_URL"}


def test_a_parent_without_a_job_here_owns_nothing() -> None:
    job = build_job(a_job_order(parent=PARENT))
    assert "ownerReferences" not in job["metadata"]


def test_a_run_without_compute_resources_asks_for_none() -> None:
    assert "resources" not in container_of(an_order_with(compute_resources=None))
    assert "resources" not in container_of(an_order_with(compute_resources=ComputeResources()))


@pytest.mark.parametrize(
    ("cpu", "quota", "request_"),
    [
        ("1", "", "100m"),
        ("500m", "", "50m"),
        (2, "0.25", "500m"),
        ("1m", "", "1m"),
        (1, "1", "1000m"),
    ],
)
def test_cpu_is_requested_by_quota(cpu: str | int, quota: str, request_: str) -> None:
    compute = ComputeResources(limits={"cpu": cpu}, default_resource_quota=quota)
    resources = container_of(an_order_with(compute_resources=compute))["resources"]
    assert resources == {"limits": {"cpu": str(cpu)}, "requests": {"cpu": request_}}


def test_requests_stand_as_they_are_given() -> None:
    compute = ComputeResources(
        limits={"cpu": "2", "memory": "1Gi"}, requests={"cpu": 0.5}, cpu_limit="9"
    )
    assert container_of(an_order_with(compute_resources=compute))["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"},
        "requests": {"cpu": "0.5"},
    }


def test_a_volume_that_two_mounts_name_is_one() -> None:
    runtime = RuntimeEnvironment(
        configuration_file_mounts={"app": {"name": "shared", "mountPath": "/a"}},
        storage_mounts={"app": {"name": "shared", "mountPath": "/b"}},
    )
    pod = build_job(an_order_with(runtime_environment=runtime))["spec"]["template"]["spec"]
    assert [volume["name"] for volume in pod["volumes"]] == ["shared"]
    assert [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]] == ["/a", "/b"]


def test_labels_are_values_that_kubernetes_takes() -> None:
    labels = build_job(a_job_order(nexus_version="1.2.0rc1+g1f2e"))["metadata"]["labels"]
    assert set(labels.values()) == {"hello-world", "1.2.0rc1_g1f2e", "algorithm-run"}
    assert all(re.fullmatch(r"[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", x) for x in labels.values())


def test_no_retries_are_said_and_not_left_to_the_default() -> None:
    runtime = RuntimeEnvironment(maximum_retries=0)
    assert build_job(an_order_with(runtime_environment=runtime))["spec"]["backoffLimit"] == 0


def leaves(value: object) -> Iterator[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield item
        yield from leaves(item)


def test_nothing_in_a_job_is_empty() -> None:
    runtime = RuntimeEnvironment(
        environment_variables=[],
        mapped_environment_variables=[],
        storage_mounts={},
        annotations={},
    )
    job = build_job(an_order_with(runtime_environment=runtime, args=[]))
    assert [leaf for leaf in leaves(job) if leaf in (None, "", [], {})] == []


def test_building_leaves_the_template_as_it_was() -> None:
    order = an_order_with_environment({"name": "A", "value": "1"}, parent=PARENT)
    before = msgspec.json.encode(order.spec)
    build_job(order)
    assert msgspec.json.encode(order.spec) == before
