"""Reading the Job that the cluster is handed."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.process.manifest import FailureRule, JobSpec, RuleAction, read_manifest
from nexus_core.domain.errors import JobRejectedError
from nexus_core.domain.job_manifest import build_job, encode_job
from nexus_core.domain.names import RunKey
from nexus_core.domain.template import ErrorHandlingBehaviour, RuntimeEnvironment
from support.clusters import a_job, a_manifest, a_run_key
from support.jobs import URLS, a_job_order
from support.runs import a_template_spec

KEY = a_run_key()


def read(key: RunKey = KEY, **changes: Any) -> JobSpec:
    return read_manifest(key, a_manifest(key, **changes))


def test_the_job_that_nexus_builds_is_understood() -> None:
    spec = a_template_spec(
        command="python3 main.py",
        args=["--sas-uri=%s"],
        runtime_environment=RuntimeEnvironment(
            environment_variables=[{"name": "A", "value": "1"}],
            deadline_seconds=30,
            maximum_retries=2,
        ),
        error_handling_behaviour=ErrorHandlingBehaviour(
            fatal_exit_codes=[137, 3], transient_exit_codes=[5]
        ),
    )
    order = a_job_order(spec=spec)

    job = read_manifest(order.key, encode_job(build_job(order)))

    assert job.command == ("python3", "main.py", f"--sas-uri={URLS.payload}")
    assert job.environment["A"] == "1"
    assert job.environment["NEXUS__REQUEST_ID"] == order.key.request_id
    assert job.memory_limit == 128 * 2**20
    assert job.deadline == timedelta(seconds=30)
    assert job.backoff_limit == 2
    assert job.keep_finished == timedelta(seconds=300)
    assert job.owners == frozenset()
    assert job.rules == (
        FailureRule(action=RuleAction.IGNORE, on_disruption=True),
        FailureRule(action=RuleAction.FAIL_JOB, exit_codes=frozenset({3, 137})),
        FailureRule(action=RuleAction.IGNORE, exit_codes=frozenset({5})),
    )


def test_what_is_not_said_is_as_in_kubernetes() -> None:
    job = a_job(KEY)
    del job["spec"]["backoffLimit"]

    spec = read_manifest(KEY, msgspec.json.encode(job))

    assert spec.backoff_limit == 6
    assert (spec.memory_limit, spec.deadline, spec.keep_finished) == (None, None, None)
    assert spec.rules == ()


def test_owners_are_known_by_their_uids() -> None:
    assert read(owner=(KEY, "uid-1")).owners == {"uid-1"}


def test_variables_take_values_from_the_pod() -> None:
    job = a_job(KEY)
    pod = job["spec"]["template"]
    pod["metadata"]["annotations"] = {"team": "routing"}
    pod["spec"]["containers"][0]["env"] = [
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {
            "name": "ALGORITHM",
            "valueFrom": {
                "fieldRef": {
                    "fieldPath": "metadata.labels["
                    "'science.sneaksanddata.com/algorithm-template-name']"
                }
            },
        },
        {
            "name": "TEAM",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['team']"}},
        },
        {"name": "ABSENT", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x']"}}},
        {"name": "EMPTY"},
    ]

    spec = read_manifest(KEY, msgspec.json.encode(job))

    assert spec.environment == {
        "NAME": KEY.request_id,
        "ALGORITHM": KEY.algorithm,
        "TEAM": "routing",
        "ABSENT": "",
        "EMPTY": "",
    }


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)-$(B)", "1-two"),
        ("$(UNKNOWN) $(LATER)", "$(UNKNOWN) $(LATER)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
    ],
)
def test_references_to_variables_are_replaced_as_in_kubernetes(text: str, expanded: str) -> None:
    variables = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "two"},
        {"name": "C", "value": text},
        {"name": "LATER", "value": "3"},
    ]

    spec = read(container={"command": ["echo"], "args": [text], "env": variables})

    assert spec.environment["C"] == expanded
    assert spec.command == ("echo", expanded.replace("$(LATER)", "3"))


def test_optional_sources_of_variables_are_passed_over() -> None:
    source = {"prefix": "X_", "secretRef": {"name": "s", "optional": True}}

    assert read(container={"envFrom": [source]}).environment == {}


SECRET = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
FIELD = {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"command": []}, "command"),
        ({"env": [SECRET]}, "A takes its value from another source"),
        ({"env": [FIELD]}, "A takes its value from status.podIP"),
        ({"env": [{"name": "A=B", "value": ""}]}, "'A=B' can't name a variable"),
        ({"env": [{"name": "", "value": ""}]}, "can't name a variable"),
        ({"env": [{"name": "A", "value": "\0"}]}, "NUL"),
        ({"args": ["\0"]}, "NUL"),
        ({"envFrom": [{"configMapRef": {"name": "c"}}]}, "no config maps"),
        ({"resources": {"limits": {"memory": "lots"}}}, "resources.limits.memory"),
        ({"resources": {"limits": {"memory": 0}}}, "resources.limits.memory"),
        ({"resources": {"limits": {"memory": "-1Mi"}}}, "resources.limits.memory"),
    ],
)
def test_a_container_that_can_not_run_here_is_rejected(
    container: dict[str, Any], message: str
) -> None:
    with pytest.raises(JobRejectedError, match=message):
        read(container=container)


@pytest.mark.parametrize(
    "changes",
    [
        {"activeDeadlineSeconds": -1},
        {"activeDeadlineSeconds": 2**40},
        {"backoffLimit": -1},
        {"backoffLimit": "two"},
        {"ttlSecondsAfterFinished": -1},
        {"podFailurePolicy": {"rules": [{"action": "FailIndex"}]}},
        {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"values": [1]}}]}},
        {"template": {"spec": {"restartPolicy": "Never", "containers": []}}},
        {"template": {"spec": {"restartPolicy": "OnFailure", "containers": [{"command": ["a"]}]}}},
        {"template": {"spec": {"restartPolicy": "Never", "containers": [{"command": ["a"]}] * 2}}},
        {"template": {"spec": {"restartPolicy": "Never", "containers": [{}]}}},
    ],
)
def test_a_job_that_can_not_run_here_is_rejected(changes: dict[str, Any]) -> None:
    with pytest.raises(JobRejectedError):
        read(**changes)


@pytest.mark.parametrize(
    "key",
    [
        RunKey(KEY.algorithm, a_run_key().request_id),
        RunKey("another", KEY.request_id),
    ],
    ids=["of another run", "of another algorithm"],
)
def test_the_job_of_another_run_is_rejected(key: RunKey) -> None:
    with pytest.raises(JobRejectedError, match="metadata"):
        read_manifest(key, a_manifest(KEY))


@pytest.mark.parametrize(
    "manifest",
    [b"", b'{"kind": "\xff"}', b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"],
    ids=["empty", "no text", "too deep"],
)
def test_what_is_no_json_is_rejected(manifest: bytes) -> None:
    with pytest.raises(JobRejectedError):
        read_manifest(KEY, manifest)


def test_a_job_without_the_label_of_runs_is_rejected() -> None:
    job = a_job(KEY)
    del job["metadata"]["labels"]["science.sneaksanddata.com/nexus-component"]

    with pytest.raises(JobRejectedError, match="nexus-component must be algorithm-run"):
        read_manifest(KEY, msgspec.json.encode(job))


@pytest.mark.parametrize("name", ["..", "../../etc", "a/b", "", "x" * 300, "Job"])
def test_a_name_that_is_no_request_id_never_becomes_a_folder(name: str) -> None:
    key = RunKey("hello-world", name)

    with pytest.raises(JobRejectedError, match=r"metadata\.name"):
        read_manifest(key, a_manifest(key))
