"""Which values of a template or a workgroup are sound.

Whatever is sound here makes a Job that Kubernetes takes, as far as that shows in the spec alone.
Field paths are those that the writer of the YAML sees.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

from nexus_core.domain.durations import parse_duration
from nexus_core.domain.errors import InvalidInputError, Problem
from nexus_core.domain.names import RESOURCE_NAME_RULE, is_resource_name
from nexus_core.domain.quantities import parse_quantity, parse_quota
from nexus_core.domain.template import (
    WORKGROUP_KIND,
    ComputeResources,
    Container,
    ErrorHandlingBehaviour,
    PayloadConfiguration,
    Quantity,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupRef,
    WorkgroupSpec,
)
from nexus_core.domain.text_rules import (
    ANNOTATION,
    ENVIRONMENT_NAME,
    IMAGE,
    MOUNT_PATH,
    REGISTRY,
    RESOURCE_KIND,
    SERVICE_ACCOUNT,
    VERSION_TAG,
    VOLUME_NAME,
    TextRule,
)

DATADOG_VOLUME = "dsdsocket"
"""The volume that carries Datadog's socket; the template's own may not be named so beside it."""

PAYLOAD_SERIALIZATIONS = ("", "s3", "backend")
# `backoffLimit` and `activeDeadlineSeconds` of a pod are 32-bit numbers.
MAX_INT32 = 2**31 - 1
# The most values that one rule of a pod failure policy may list.
MAX_EXIT_CODES = 255
# A container that may use none of these can't start; of others, none is a sound amount.
NEVER_ZERO = ("cpu", "memory")
# Of the resources without a domain, those that a container can have; another is a misspelt one.
_OF_CONTAINERS = re.compile(r"cpu|memory|ephemeral-storage|hugepages-.+")

MUST_NAME_A_PROGRAM = "must name a program, with its first arguments if any"
MUST_BE_FILLED = "must hold %s where the value goes, as in --sas-uri=%s or --request-id=%s"
MUST_BE_ABOVE_ZERO = "must be above 0"
MUST_NOT_BE_NEGATIVE = "must not be negative"
MUST_BE_WHOLE = "must be a whole number"
MUST_FIT_THE_LIMIT = "must be at most the limit"
MUST_BE_THE_LIMIT = "must be as much as the limit: it can't be shared"
MUST_NAME_A_SOURCE = "must hold either configMapRef or secretRef, with a name"
MUST_NAME_THE_SOURCE = "must name the source of each mount"
MUST_HAVE_ONE_VALUE = "must hold either value or valueFrom, not both"


def template_problems(spec: TemplateSpec, path: str = "spec") -> tuple[Problem, ...]:
    """Return all that is wrong with a template's spec, which stands at `path`; empty when sound.

    Environment variables of Nexus' own may be among the template's: Nexus' values win in the Job.
    """
    compute, workgroup = spec.compute_resources, spec.workgroup_ref
    payload, runtime = spec.payload_configuration, spec.runtime_environment
    errors, datadog = spec.error_handling_behaviour, spec.datadog_integration_settings
    mounts_socket = bool(datadog and datadog.mount_datadog_socket)
    return tuple(
        chain(
            _container(spec.container, f"{path}.container"),
            _command(spec.command, f"{path}.command"),
            _args(spec.args or (), f"{path}.args"),
            _compute(compute, f"{path}.computeResources") if compute else (),
            _workgroup_ref(workgroup, f"{path}.workgroupRef") if workgroup else (),
            _payload(payload, f"{path}.payloadConfiguration") if payload else (),
            _runtime(runtime, f"{path}.runtimeEnvironment", mounts_socket=mounts_socket)
            if runtime
            else (),
            _exit_codes(errors, f"{path}.errorHandlingBehaviour") if errors else (),
        )
    )


def workgroup_problems(spec: WorkgroupSpec, path: str = "spec") -> tuple[Problem, ...]:
    """Return all that is wrong with a workgroup's spec, which stands at `path`."""
    if is_resource_name(spec.cluster):
        return ()
    return (Problem(f"{path}.cluster", RESOURCE_NAME_RULE),)


def _container(container: Container, path: str) -> Iterator[Problem]:
    yield from _text(container.registry, f"{path}.registry", REGISTRY)
    yield from _text(container.image, f"{path}.image", IMAGE)
    yield from _text(container.version_tag, f"{path}.versionTag", VERSION_TAG)
    if container.service_account_name:
        yield from _text(
            container.service_account_name, f"{path}.serviceAccountName", SERVICE_ACCOUNT
        )


def _text(text: str, field: str, rule: TextRule) -> Iterator[Problem]:
    if not rule.allows(text):
        yield Problem(field, rule.message)


def _command(command: str, path: str) -> Iterator[Problem]:
    if not command.split() or "\0" in command:
        yield Problem(path, MUST_NAME_A_PROGRAM)


def _args(args: Sequence[str], path: str) -> Iterator[Problem]:
    """Whoever passes `--sas-uri` and `%s` as two arguments gets neither filled."""
    for index, argument in enumerate(args):
        if ("sas-uri" in argument or "request-id" in argument) and "%s" not in argument:
            yield Problem(f"{path}[{index}]", MUST_BE_FILLED)


def _compute(compute: ComputeResources, path: str) -> Iterator[Problem]:
    single = {
        "cpu": ("cpuLimit", compute.cpu_limit),
        "memory": ("memoryLimit", compute.memory_limit),
    }
    limits: dict[str, Decimal] = {}
    for resource, (field, text) in single.items():
        if text:
            yield from _quantity(text, f"{path}.{field}", resource, limits)
    yield from _resources(compute.limits, f"{path}.limits", limits)
    requests: dict[str, Decimal] = {}
    yield from _resources(compute.requests, f"{path}.requests", requests)
    yield from _requests(compute, requests, limits, f"{path}.requests")
    custom: dict[str, Decimal] = {}
    yield from _resources(compute.custom_resources, f"{path}.customResources", custom)
    for resource, amount in custom.items():
        if amount % 1 and _can_be_shared(resource):
            yield Problem(f"{path}.customResources.{resource}", MUST_BE_WHOLE)
    try:
        parse_quota(compute.default_resource_quota)
    except InvalidInputError as error:
        yield Problem(f"{path}.defaultResourceQuota", str(error))


def _requests(
    compute: ComputeResources,
    requests: Mapping[str, Decimal],
    limits: Mapping[str, Decimal],
    path: str,
) -> Iterator[Problem]:
    for resource, request in requests.items():
        if _can_be_shared(resource):
            if request > limits.get(resource, request):
                yield Problem(f"{path}.{resource}", MUST_FIT_THE_LIMIT)
        # A custom resource stands on both sides in the place of these.
        elif resource not in (compute.custom_resources or {}):
            limited = resource in (compute.limits or {})
            if not limited or request != limits.get(resource, request):
                yield Problem(f"{path}.{resource}", MUST_BE_THE_LIMIT)


def _can_be_shared(resource: str) -> bool:
    """Tell whether Kubernetes lets pods ask for less of a resource than they may use."""
    if resource.startswith("hugepages-"):
        return False
    return "/" not in resource or "kubernetes.io/" in resource


def _resources(
    resources: Mapping[str, Quantity] | None, path: str, amounts: dict[str, Decimal]
) -> Iterator[Problem]:
    for resource, value in (resources or {}).items():
        field = f"{path}.{resource}"
        if "/" not in resource and not _OF_CONTAINERS.fullmatch(resource):
            yield Problem(field, RESOURCE_KIND.message)
        else:
            yield from _text(resource, field, RESOURCE_KIND)
        yield from _quantity(value, field, resource, amounts)
        if amounts.get(resource, Decimal()) % 1 and not _can_be_shared(resource):
            yield Problem(field, MUST_BE_WHOLE)


def _quantity(
    value: Quantity, field: str, resource: str, amounts: dict[str, Decimal]
) -> Iterator[Problem]:
    """Put the amount among `amounts`, replacing an earlier one, or yield why not."""
    amounts.pop(resource, None)
    try:
        amount = parse_quantity(value)
    except InvalidInputError as error:
        yield Problem(field, str(error))
        return
    if amount < 0 or (amount == 0 and resource in NEVER_ZERO):
        yield Problem(field, MUST_BE_ABOVE_ZERO if resource in NEVER_ZERO else MUST_NOT_BE_NEGATIVE)
        return
    amounts[resource] = amount


def _workgroup_ref(ref: WorkgroupRef, path: str) -> Iterator[Problem]:
    # Empty as a whole it is as good as missing: the request may name a workgroup.
    if (ref.name or ref.group or ref.kind) and not is_resource_name(ref.name):
        yield Problem(f"{path}.name", RESOURCE_NAME_RULE)
    if ref.kind not in {"", WORKGROUP_KIND}:
        yield Problem(f"{path}.kind", f"must be {WORKGROUP_KIND}, or empty")


def _payload(payload: PayloadConfiguration, path: str) -> Iterator[Problem]:
    if payload.payload_serialization not in PAYLOAD_SERIALIZATIONS:
        yield Problem(f"{path}.payloadSerialization", "must be s3 or backend, or empty")
    if not payload.payload_valid_for:
        return
    field = f"{path}.payloadValidFor"
    try:
        valid_for = parse_duration(payload.payload_valid_for)
    except InvalidInputError as error:
        yield Problem(field, str(error))
        return
    if valid_for.total_seconds() <= 0:
        yield Problem(field, MUST_BE_ABOVE_ZERO)


def _runtime(runtime: RuntimeEnvironment, path: str, *, mounts_socket: bool) -> Iterator[Problem]:
    variables = runtime.environment_variables or ()
    yield from _environment(variables, f"{path}.environmentVariables")
    for index, source in enumerate(runtime.mapped_environment_variables or ()):
        if not _names_a_source(source):
            yield Problem(
                f"{path}.mappedEnvironmentVariables[{index}]",
                MUST_NAME_A_SOURCE,
            )
    yield from _mounts(runtime, path, mounts_socket=mounts_socket)
    for name in runtime.annotations or ():
        yield from _text(name, f"{path}.annotations.{name}", ANNOTATION)
    deadline, retries = runtime.deadline_seconds, runtime.maximum_retries
    if deadline is not None and not 0 < deadline <= MAX_INT32:
        yield Problem(f"{path}.deadlineSeconds", f"must be from 1 to {MAX_INT32}")
    if retries is not None and not 0 <= retries <= MAX_INT32:
        yield Problem(f"{path}.maximumRetries", f"must be from 0 to {MAX_INT32}")


def _environment(variables: Sequence[Mapping[str, Any]], path: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, variable in enumerate(variables):
        field, name = f"{path}[{index}]", variable.get("name")
        if not isinstance(name, str) or not ENVIRONMENT_NAME.allows(name):
            yield Problem(f"{field}.name", ENVIRONMENT_NAME.message)
        elif name in seen:
            yield Problem(f"{field}.name", f"must be unique; {name} is there already")
        else:
            seen.add(name)
        value, source = variable.get("value"), variable.get("valueFrom")
        if value is not None and not isinstance(value, str):
            yield Problem(f"{field}.value", f"must be a string; put {value!r:.40} into quotes")
        if source is not None and not (isinstance(source, dict) and source):
            yield Problem(f"{field}.valueFrom", "must be an object such as secretKeyRef: {…}")
        if value and source:
            yield Problem(field, MUST_HAVE_ONE_VALUE)


def _names_a_source(source: Mapping[str, Any]) -> bool:
    references = [source[key] for key in ("configMapRef", "secretRef") if source.get(key)]
    return (
        len(references) == 1
        and isinstance(references[0], dict)
        and isinstance(references[0].get("name"), str)
        and references[0]["name"] != ""
    )


def _mounts(runtime: RuntimeEnvironment, path: str, *, mounts_socket: bool) -> Iterator[Problem]:
    """A mount's name becomes its volume's, and a volume has one source."""
    kinds = {
        "configurationFileMounts": runtime.configuration_file_mounts,
        "secretFileMounts": runtime.secret_file_mounts,
        "storageMounts": runtime.storage_mounts,
    }
    names = {DATADOG_VOLUME} if mounts_socket else set()
    targets: set[str] = set()
    for kind, mounts in kinds.items():
        for source, mount in (mounts or {}).items():
            field, name, target = (
                f"{path}.{kind}.{source}",
                mount.get("name"),
                mount.get("mountPath"),
            )
            if not source:
                yield Problem(f"{path}.{kind}", MUST_NAME_THE_SOURCE)
            if not isinstance(name, str) or not VOLUME_NAME.allows(name):
                yield Problem(f"{field}.name", VOLUME_NAME.message)
            elif name in names:
                yield Problem(f"{field}.name", f"must be unique; {name} is taken already")
            else:
                names.add(name)
            if not isinstance(target, str) or not MOUNT_PATH.allows(target):
                yield Problem(f"{field}.mountPath", MOUNT_PATH.message)
            elif target in targets:
                yield Problem(f"{field}.mountPath", f"must be unique; {target} is mounted already")
            else:
                targets.add(target)


def _exit_codes(errors: ErrorHandlingBehaviour, path: str) -> Iterator[Problem]:
    lists = {
        "transientExitCodes": errors.transient_exit_codes or (),
        "fatalExitCodes": errors.fatal_exit_codes or (),
    }
    for kind, codes in lists.items():
        # Kubernetes refuses 0: success can't be a failure.
        if not all(1 <= code <= 255 for code in codes):  # noqa: PLR2004 - a byte, as the rule says
            yield Problem(f"{path}.{kind}", "must be numbers from 1 to 255")
        if len(codes) > MAX_EXIT_CODES:
            yield Problem(f"{path}.{kind}", f"must be at most {MAX_EXIT_CODES} numbers")
        if len(set(codes)) < len(codes):
            yield Problem(f"{path}.{kind}", "must not repeat a number")
