"""The whole Job for one configuration after the other, as files that a person can read.

After a wanted change: `pytest tests/unit/job_manifest --update-golden`, then read the diff.
"""

from pathlib import Path

import msgspec
import pytest

from nexus_core.domain.job_manifest import JobOrder, build_job, encode_job
from nexus_core.domain.overrides import apply_overrides
from nexus_core.domain.request import ParentReference
from nexus_core.domain.template import (
    ComputeResources,
    Container,
    DatadogIntegrationSettings,
    ErrorHandlingBehaviour,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupSpec,
)
from nexus_core.domain.template_rules import template_problems
from support.jobs import a_job_order

GOLDEN = Path(__file__).parent / "golden"

MINIMAL = TemplateSpec(
    container=Container(image="hello", registry="registry.test/algorithms", version_tag="1.0"),
    command="main",
)


def minimal_with(**parts: object) -> JobOrder:
    return a_job_order(spec=msgspec.structs.replace(MINIMAL, **parts))


EVERYTHING = JobOrder(
    key=a_job_order().key,
    spec=TemplateSpec(
        container=Container(
            image="hello",
            registry="registry.test/algorithms",
            version_tag="1.0",
            service_account_name="algorithms",
        ),
        command="python3 main.py",
        args=["--sas-uri=%s", "--request-id=%s", "--verbose"],
        compute_resources=ComputeResources(
            limits={"cpu": 2, "memory": "4Gi"},
            requests={"cpu": "500m", "memory": "2Gi"},
            custom_resources={"nvidia.com/gpu": "1"},
        ),
        runtime_environment=RuntimeEnvironment(
            environment_variables=[
                {"name": "LEVEL", "value": "debug"},
                {
                    "name": "TOKEN",
                    "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "main"}},
                },
                {"name": "NEXUS__RECEIVER_URL", "value": "http://receiver.nexus.svc:8081"},
            ],
            mapped_environment_variables=[{"secretRef": {"name": "algorithm-secrets"}}],
            configuration_file_mounts={
                "app-config": {"name": "config", "mountPath": "/etc/app", "readOnly": True}
            },
            secret_file_mounts={"app-secret": {"name": "secret", "mountPath": "/etc/secret"}},
            storage_mounts={"emptyDir": {"name": "scratch", "mountPath": "/scratch"}},
            annotations={"example.com/team": "routing"},
            deadline_seconds=3600,
            maximum_retries=0,
        ),
        error_handling_behaviour=ErrorHandlingBehaviour(
            transient_exit_codes=[75], fatal_exit_codes=[137, 1]
        ),
        datadog_integration_settings=DatadogIntegrationSettings(mount_datadog_socket=True),
    ),
    workgroup=WorkgroupSpec(
        cluster="shard-0",
        tolerations=[{"key": "dedicated", "operator": "Equal", "value": "algorithms"}],
        affinity={
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["a"]}]}
                    ]
                }
            }
        },
    ),
    urls=a_job_order().urls,
    nexus_version="0.1.0+local",
    parent=ParentReference(
        request_id="0192e4a0-0000-7000-8000-00000000000f", algorithm_name="fan-out"
    ),
    owner_uid="5f6e1c1e-3a52-4d0c-9b1a-2f1f0a3b4c5d",
    namespace="algorithms",
)

ORDERS = {
    "minimal": minimal_with(),
    "everything": EVERYTHING,
    "parent-in-another-cluster": a_job_order(parent=EVERYTHING.parent),
    "older-limits": minimal_with(
        compute_resources=ComputeResources(
            cpu_limit="1", memory_limit="500Mi", default_resource_quota="0.25"
        )
    ),
    "custom-resources": minimal_with(
        compute_resources=ComputeResources(
            limits={"cpu": "1500m", "memory": "1Gi"}, custom_resources={"nvidia.com/gpu": "2"}
        )
    ),
    "datadog": minimal_with(
        datadog_integration_settings=DatadogIntegrationSettings(mount_datadog_socket=True)
    ),
    "storage-mounts": minimal_with(
        runtime_environment=RuntimeEnvironment(
            storage_mounts={
                "emptyDir": {"name": "scratch", "mountPath": "/scratch"},
                "models": {"name": "models", "mountPath": "/models", "readOnly": True},
            }
        )
    ),
    "exit-codes": minimal_with(
        error_handling_behaviour=ErrorHandlingBehaviour(
            transient_exit_codes=[75, 3], fatal_exit_codes=[255, 1, 137]
        )
    ),
}


@pytest.mark.parametrize("name", ORDERS)
def test_a_job_is_the_one_in_its_golden_file(name: str, request: pytest.FixtureRequest) -> None:
    file = GOLDEN / f"{name}.json"
    built = msgspec.json.format(encode_job(build_job(ORDERS[name])), indent=2) + b"\n"
    if request.config.getoption("--update-golden"):
        file.write_bytes(built)
    assert built.decode() == file.read_text()


def test_every_golden_file_has_its_configuration() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == set(ORDERS)


@pytest.mark.parametrize("name", ORDERS)
def test_golden_configurations_are_sound(name: str) -> None:
    assert template_problems(ORDERS[name].spec) == ()


@pytest.mark.parametrize("name", ORDERS)
def test_stating_the_empty_parts_makes_the_same_job(name: str) -> None:
    order = ORDERS[name]
    complete = msgspec.structs.replace(order, spec=apply_overrides(order.spec))
    assert build_job(complete) == build_job(order)
