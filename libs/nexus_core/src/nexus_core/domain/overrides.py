"""What a request may change of a template for one run, and the configuration that comes of it."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from nexus_core.domain.durations import parse_duration
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.job_resources import limits_of
from nexus_core.domain.request import (
    ComputeOverrides,
    ContainerOverrides,
    Overrides,
    RuntimeOverrides,
    WorkgroupOverrides,
)
from nexus_core.domain.template import (
    ComputeResources,
    Container,
    DatadogIntegrationSettings,
    ErrorHandlingBehaviour,
    PayloadConfiguration,
    Quantity,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupRef,
)
from nexus_core.domain.template_rules import template_problems

# What a caller may size freely. Any other resource (a GPU) may be resized where the template has
# it, but not added: that would be a `customResources` override by another name, which is ignored.
_FREE_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})

# Published clients fill numbers that their user left out with these; they mean "not set".
_UNSET_DEADLINE = 0
_UNSET_RETRIES = -1


def apply_overrides(
    spec: TemplateSpec, overrides: Overrides | None = None, payload_valid_for: str = ""
) -> TemplateSpec:
    """Return the configuration of one run: a sound template's spec with a request's changes.

    Empty text and None keep the template's value; so do `deadlineSeconds: 0` and
    `maximumRetries: -1`. `limits` and `requests` are merged by resource, so that asking for more
    CPU keeps the template's memory. `payload_valid_for` is the request's own, empty for none.

    All parts of the result are present, if empty, and none of them holds a null: published clients
    drop a configuration that lacks one.

    Raises:
        InvalidInputError: a changed value is unsound. The problems' fields are paths in the
            request, such as `customConfiguration.computeResources.limits.cpu`.
    """
    whole = complete(spec)
    changed = _merge(whole, overrides) if overrides else whole
    problems = _unsound_validity(payload_valid_for)
    if changed != whole:
        problems += template_problems(changed, "customConfiguration")
    if problems:
        raise InvalidInputError("; ".join(map(str, problems)), problems)
    if not payload_valid_for:
        return changed
    payload = changed.payload_configuration or PayloadConfiguration()
    return replace(
        changed, payload_configuration=replace(payload, payload_valid_for=payload_valid_for)
    )


def complete(spec: TemplateSpec) -> TemplateSpec:
    """Return a spec with all its parts present, if empty, and without a null in any of them.

    Published clients drop a configuration that lacks a part. What is accepted here has them all;
    rows that others wrote need not.
    """
    return replace(
        spec,
        compute_resources=spec.compute_resources or ComputeResources(),
        workgroup_ref=spec.workgroup_ref or WorkgroupRef(),
        payload_configuration=spec.payload_configuration or PayloadConfiguration(),
        runtime_environment=_without_nulls(spec.runtime_environment or RuntimeEnvironment()),
        error_handling_behaviour=spec.error_handling_behaviour or ErrorHandlingBehaviour(),
        datadog_integration_settings=(
            spec.datadog_integration_settings or DatadogIntegrationSettings()
        ),
    )


def _without_nulls(runtime: RuntimeEnvironment) -> RuntimeEnvironment:
    """Drop what is null in the core objects, which pass through as their writer wrote them."""
    return replace(
        runtime,
        environment_variables=_dense(runtime.environment_variables),
        mapped_environment_variables=_dense(runtime.mapped_environment_variables),
        configuration_file_mounts=_dense(runtime.configuration_file_mounts),
        secret_file_mounts=_dense(runtime.secret_file_mounts),
        storage_mounts=_dense(runtime.storage_mounts),
    )


def _dense(value: Any) -> Any:  # noqa: ANN401 - whatever YAML can hold
    if isinstance(value, dict):
        return {key: _dense(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_dense(item) for item in value if item is not None]
    return value


def _merge(spec: TemplateSpec, overrides: Overrides) -> TemplateSpec:
    container, compute = overrides.container, overrides.compute_resources
    workgroup, runtime = overrides.workgroup_ref, overrides.runtime_environment
    if container:
        spec = replace(spec, container=_container(spec.container, container))
    if compute and spec.compute_resources:
        spec = replace(spec, compute_resources=_compute(spec.compute_resources, compute))
    if workgroup and spec.workgroup_ref:
        spec = replace(spec, workgroup_ref=_workgroup(spec.workgroup_ref, workgroup))
    if runtime and spec.runtime_environment:
        spec = replace(spec, runtime_environment=_runtime(spec.runtime_environment, runtime))
    return spec


def _container(base: Container, override: ContainerOverrides) -> Container:
    return replace(
        base,
        image=override.image or base.image,
        registry=override.registry or base.registry,
        version_tag=override.version_tag or base.version_tag,
    )


def _compute(base: ComputeResources, override: ComputeOverrides) -> ComputeResources:
    """Merge by resource. The published client sends CPU and memory together or neither.

    Once either side speaks of `limits`, all limits are stated there, and the older fields are
    emptied: a value that has no effect would mislead who reads the applied configuration.
    """
    older: dict[str, Quantity] = {}
    if override.cpu_limit:
        older["cpu"] = override.cpu_limit
    if override.memory_limit:
        older["memory"] = override.memory_limit
    limits = _resized(limits_of(base), older | (override.limits or {}))
    requests = _resized(base.requests or {}, override.requests or {})
    if base.limits or override.limits:
        base = replace(base, cpu_limit="", memory_limit="", limits=limits or None)
    else:
        base = replace(
            base,
            cpu_limit=override.cpu_limit or base.cpu_limit,
            memory_limit=override.memory_limit or base.memory_limit,
        )
    return replace(base, requests=requests or None)


def _resized(base: Mapping[str, Quantity], override: Mapping[str, Quantity]) -> dict[str, Quantity]:
    allowed = {
        name: value
        for name, value in override.items()
        if value != "" and (name in _FREE_RESOURCES or name in base)
    }
    return {**base, **allowed}


def _workgroup(base: WorkgroupRef, override: WorkgroupOverrides) -> WorkgroupRef:
    return WorkgroupRef(
        name=override.name or base.name,
        group=override.group or base.group,
        kind=override.kind or base.kind,
    )


def _runtime(base: RuntimeEnvironment, override: RuntimeOverrides) -> RuntimeEnvironment:
    deadline, retries = override.deadline_seconds, override.maximum_retries
    return replace(
        base,
        deadline_seconds=base.deadline_seconds if deadline in {None, _UNSET_DEADLINE} else deadline,
        maximum_retries=base.maximum_retries if retries in {None, _UNSET_RETRIES} else retries,
    )


def _unsound_validity(text: str) -> tuple[Problem, ...]:
    if not text:
        return ()
    try:
        valid_for = parse_duration(text)
    except InvalidInputError as error:
        return (Problem("payloadValidFor", str(error)),)
    if valid_for.total_seconds() <= 0:
        return (Problem("payloadValidFor", "must be above 0"),)
    return ()
