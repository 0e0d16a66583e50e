"""Reading the Job that a cluster is handed: what of it counts here, and what can't be done."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec

from nexus_core.domain.errors import InvalidInputError, JobRejectedError
from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey, is_request_id
from nexus_core.domain.quantities import parse_quantity
from nexus_core.domain.template import Quantity

# Kubernetes' default for Jobs that do not say.
_DEFAULT_BACKOFF_LIMIT = 6

_WholeNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_ExitCode = Annotated[int, msgspec.Meta(ge=0, le=255)]

# `$$` is a dollar sign, `$(NAME)` the value of a variable: Kubernetes' rule for values and words.
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_FIELD_OF_MAP = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class RuleAction(StrEnum):
    """What a rule of the pod failure policy does with a try that it matches."""

    FAIL_JOB = "FailJob"
    IGNORE = "Ignore"
    """Repeat it, and don't count it."""
    COUNT = "Count"
    """Go on as without a rule, past those that follow."""


class FailureRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of the pod failure policy; matches by exit code or by disruption."""

    action: RuleAction
    exit_codes: frozenset[int] = frozenset()
    among: bool = True
    """Whether the exit code must be among those, or must not."""
    on_disruption: bool = False
    """Whether it matches tries that were disrupted from outside, whatever their exit code."""


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What counts here of a Job's manifest."""

    command: tuple[str, ...]
    """The program and its arguments, ready to be run."""
    environment: dict[str, str]
    memory_limit: int | None = None
    """In bytes, of all processes of a pod together."""
    deadline: timedelta | None = None
    """For all tries together."""
    backoff_limit: int = _DEFAULT_BACKOFF_LIMIT
    """How many failed tries are followed by another one."""
    rules: tuple[FailureRule, ...] = ()
    keep_finished: timedelta | None = None
    """How long the finished Job stays; None: until deleted."""
    owners: frozenset[str] = frozenset()
    """Uids of the Jobs that it goes with."""


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the manifest; fields without a meaning here are not read."""


class _FieldRef(_Wire, frozen=True):
    field_path: str


class _ValueFrom(_Wire, frozen=True):
    field_ref: _FieldRef | None = None


class _Variable(_Wire, frozen=True):
    name: str
    value: str | None = None
    value_from: _ValueFrom | None = None


class _Resources(_Wire, frozen=True):
    limits: dict[str, Quantity] | None = None


class _Container(_Wire, frozen=True):
    command: Annotated[list[str], msgspec.Meta(min_length=1)]
    args: list[str] | None = None
    env: list[_Variable] | None = None
    env_from: list[dict[str, Any]] | None = None
    resources: _Resources | None = None


class _PodSpec(_Wire, frozen=True):
    containers: Annotated[list[_Container], msgspec.Meta(min_length=1, max_length=1)]
    restart_policy: Literal["Never"]


class _OwnerReference(_Wire, frozen=True):
    uid: str


class _Metadata(_Wire, frozen=True):
    name: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[_OwnerReference] | None = None


class _PodTemplate(_Wire, frozen=True):
    spec: _PodSpec
    metadata: _Metadata = _Metadata()


class _OnExitCodes(_Wire, frozen=True):
    operator: Literal["In", "NotIn"]
    values: list[_ExitCode]


class _OnPodCondition(_Wire, frozen=True):
    type: str
    status: str = "True"


class _Rule(_Wire, frozen=True):
    action: RuleAction
    on_exit_codes: _OnExitCodes | None = None
    on_pod_conditions: list[_OnPodCondition] | None = None


class _FailurePolicy(_Wire, frozen=True):
    rules: list[_Rule]


class _Spec(_Wire, frozen=True):
    template: _PodTemplate
    active_deadline_seconds: _WholeNumber | None = None
    backoff_limit: _WholeNumber | None = None
    pod_failure_policy: _FailurePolicy | None = None
    ttl_seconds_after_finished: _WholeNumber | None = None


class _Job(_Wire, frozen=True):
    api_version: Literal["batch/v1"]
    kind: Literal["Job"]
    metadata: _Metadata
    spec: _Spec


_decoder = msgspec.json.Decoder(_Job)


def read_manifest(key: RunKey, manifest: bytes) -> JobSpec:
    """Read the Job of a run.

    Image, volumes, CPU and all that places a pod on a node mean nothing here and are not read.

    Raises:
        JobRejectedError: it is no Job, not this run's, or needs what only Kubernetes has.
    """
    try:
        job = _decoder.decode(manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise JobRejectedError(f"the manifest is no Job that can run here: {error}") from error
    _check_identity(key, job.metadata)
    pod = job.spec.template
    container = pod.spec.containers[0]
    environment = _environment(key, pod.metadata, container)
    words = (*container.command, *(container.args or ()))
    policy = job.spec.pod_failure_policy
    backoff_limit = job.spec.backoff_limit
    return JobSpec(
        command=tuple(_expand(word, environment) for word in words),
        environment=environment,
        memory_limit=_memory_limit(container),
        deadline=_seconds(job.spec.active_deadline_seconds),
        backoff_limit=_DEFAULT_BACKOFF_LIMIT if backoff_limit is None else backoff_limit,
        rules=tuple(map(_rule, policy.rules)) if policy else (),
        keep_finished=_seconds(job.spec.ttl_seconds_after_finished),
        owners=frozenset(owner.uid for owner in job.metadata.owner_references or ()),
    )


def _check_identity(key: RunKey, metadata: _Metadata) -> None:
    labels = metadata.labels or {}
    # The name becomes the name of a folder, so it is checked for what it is, too.
    if metadata.name != key.request_id or not is_request_id(metadata.name):
        raise JobRejectedError(f"metadata.name: must be the request id {key.request_id}")
    for label, value in ((TEMPLATE_NAME_LABEL, key.algorithm), (COMPONENT_LABEL, RUN_COMPONENT)):
        if labels.get(label) != value:
            raise JobRejectedError(f"metadata.labels: {label} must be {value}")


def _environment(key: RunKey, pod: _Metadata, container: _Container) -> dict[str, str]:
    for source in container.env_from or ():
        if not all(_is_optional(reference) for reference in source.values()):
            raise JobRejectedError("envFrom: there are no config maps and no secrets here")
    environment: dict[str, str] = {}
    for variable in container.env or ():
        if not variable.name or "=" in variable.name or "\0" in variable.name:
            raise JobRejectedError(f"env: {variable.name!r} can't name a variable")
        if variable.value_from is None:
            # Only variables that stand before it are known to a value: Kubernetes' rule.
            value = _expand(variable.value or "", environment)
        else:
            value = _field(key, pod, variable.name, variable.value_from.field_ref)
        environment[variable.name] = _without_nul(value)
    return environment


def _is_optional(reference: object) -> bool:
    # Beside the references stands `prefix`, a string, which needs nothing.
    return not isinstance(reference, dict) or reference.get("optional") is True


def _field(key: RunKey, pod: _Metadata, name: str, reference: _FieldRef | None) -> str:
    path = reference.field_path if reference else "another source"
    if path == "metadata.name":
        return key.request_id
    if match := _FIELD_OF_MAP.fullmatch(path):
        values = pod.labels if match[1] == "labels" else pod.annotations
        return (values or {}).get(match[2], "")
    raise JobRejectedError(
        f"env: {name} takes its value from {path}; here it may only come from metadata.name, "
        "metadata.labels['…'] or metadata.annotations['…']"
    )


def _expand(text: str, environment: Mapping[str, str]) -> str:
    def value(reference: re.Match[str]) -> str:
        if reference[1] == "$":
            return "$"
        return environment.get(reference[2], reference[0])

    return _without_nul(_REFERENCE.sub(value, text) if "$" in text else text)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise JobRejectedError("a command or a variable holds a NUL character")
    return text


def _memory_limit(container: _Container) -> int | None:
    limits = (container.resources and container.resources.limits) or {}
    if "memory" not in limits:
        return None
    try:
        limit = int(parse_quantity(limits["memory"]))
    except InvalidInputError as error:
        raise JobRejectedError(f"resources.limits.memory: {error}") from error
    if limit <= 0:
        raise JobRejectedError("resources.limits.memory: must be more than nothing")
    return limit


def _rule(rule: _Rule) -> FailureRule:
    if rule.on_exit_codes is not None:
        codes = rule.on_exit_codes
        return FailureRule(
            action=rule.action,
            exit_codes=frozenset(codes.values),
            among=codes.operator == "In",
        )
    disrupted = any(
        condition.type == "DisruptionTarget" and condition.status == "True"
        for condition in rule.on_pod_conditions or ()
    )
    return FailureRule(action=rule.action, on_disruption=disrupted)


def _seconds(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(seconds=count)
