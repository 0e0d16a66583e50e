"""The Kubernetes Job of a run: built from values, sent by nobody here."""

import re
from typing import Any

import msgspec

from nexus_core.domain.job_resources import container_resources
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.template import (
    API_GROUP,
    Container,
    ErrorHandlingBehaviour,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupSpec,
)
from nexus_core.domain.template_rules import DATADOG_VOLUME

Object = dict[str, Any]
"""A Kubernetes object or a part of one, as its JSON."""

TEMPLATE_NAME_LABEL = f"{API_GROUP}/algorithm-template-name"
VERSION_LABEL = f"{API_GROUP}/nexus-version"
COMPONENT_LABEL = f"{API_GROUP}/nexus-component"
RUN_COMPONENT = "algorithm-run"
"""Value of `COMPONENT_LABEL` on all Jobs and pods of runs, and on nothing else."""

PAYLOAD_URL_VARIABLE = "NEXUS__PAYLOAD_URL"
RESULT_UPLOAD_URL_VARIABLE = "NEXUS__RESULT_UPLOAD_URL"
RECEIVER_URL_VARIABLE = "NEXUS__RECEIVER_URL"
SCHEDULER_URL_VARIABLE = "NEXUS__SCHEDULER_URL"

# A cluster may reach our services by an address that only its templates know; Go deployments set
# these there. All other variables of ours say what the run is: a template's can only be wrong.
_TEMPLATE_MAY_SET = frozenset({RECEIVER_URL_VARIABLE, SCHEDULER_URL_VARIABLE})

# Long enough for a person to look at a finished Job, and for a late completion (the contract's).
_TTL_SECONDS = 300

_DATADOG_SOCKET = "/var/run/datadog"

_FORMAT_VERB = re.compile("%[s%]")
_NOT_IN_LABEL = re.compile("[^-A-Za-z0-9_.]")


class RunUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run finds everything, without credentials. An empty one is not told to it."""

    payload: str
    """To GET the payload; expires."""
    result_upload: str = ""
    """To PUT the result; expires."""
    receiver: str = ""
    """Base URL, no path: where the run says that it is done."""
    scheduler: str = ""
    """Base URL, no path: where the run starts runs of its own."""


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All that the Job of a run is made of."""

    key: RunKey
    spec: TemplateSpec
    """With the request's overrides applied."""
    workgroup: WorkgroupSpec
    urls: RunUrls
    nexus_version: str
    parent: ParentReference | None = None
    owner_uid: str = ""
    """Uid of the parent's Job; empty when it has none in the same cluster and namespace.

    Kubernetes collects an object whose owner it can't find there: a wrong uid deletes the run.
    """
    namespace: str = ""
    """Empty: whoever sends the Job says where."""


def build_job(order: JobOrder) -> Object:
    """Return the Job of a run. Nothing in it is empty or null, but an `emptyDir`'s own `{}`.

    Raises:
        InvalidInputError: the spec's CPU limit or quota is unsound.
    """
    runtime = order.spec.runtime_environment or RuntimeEnvironment()
    described = _filled(labels=_labels(order), annotations=runtime.annotations)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _filled(
            name=order.key.request_id,
            namespace=order.namespace,
            **described,
            ownerReferences=_owners(order),
        ),
        "spec": {
            **_bounds(runtime),
            "ttlSecondsAfterFinished": _TTL_SECONDS,
            "podFailurePolicy": {"rules": _failure_rules(order.spec.error_handling_behaviour)},
            "template": {"metadata": described, "spec": _pod(order, runtime)},
        },
    }


def encode_job(job: Object) -> bytes:
    """Return a Job as the JSON that is stored and sent."""
    return msgspec.json.encode(job)


def _filled(**fields: object) -> Object:
    """Return the fields that hold something. Numbers belong elsewhere: 0 is something."""
    return {name: value for name, value in fields.items() if value}


def _labels(order: JobOrder) -> dict[str, str]:
    # A local version (0.1.0+abc) has a plus sign, which no label takes.
    version = _NOT_IN_LABEL.sub("_", order.nexus_version)
    return {
        TEMPLATE_NAME_LABEL: order.key.algorithm,
        VERSION_LABEL: version,
        COMPONENT_LABEL: RUN_COMPONENT,
    }


def _owners(order: JobOrder) -> list[Object]:
    if order.parent is None or not order.owner_uid:
        return []
    # Neither controller (a Job is not run by another Job) nor blockOwnerDeletion: some clusters
    # refuse the latter without rights that existing deployments don't have, and all that it adds is
    # the order in which a deletion in the foreground removes parent and children.
    return [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": order.parent.request_id,
            "uid": order.owner_uid,
        }
    ]


def _bounds(runtime: RuntimeEnvironment) -> dict[str, int]:
    bounds = {
        "backoffLimit": runtime.maximum_retries,
        "activeDeadlineSeconds": runtime.deadline_seconds,
    }
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _failure_rules(errors: ErrorHandlingBehaviour | None) -> list[Object]:
    """Return the rules in the order they are tried: a disrupted pod says nothing of its code."""
    rules: list[Object] = [
        {
            "action": "Ignore",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        }
    ]
    if errors and errors.fatal_exit_codes:
        rules.append(_exit_rule("FailJob", errors.fatal_exit_codes))
    if errors and errors.transient_exit_codes:
        rules.append(_exit_rule("Ignore", errors.transient_exit_codes))
    return rules


def _exit_rule(action: str, codes: list[int]) -> Object:
    # Kubernetes takes the codes only in order and without repeats.
    return {"action": action, "onExitCodes": {"operator": "In", "values": sorted(set(codes))}}


def _pod(order: JobOrder, runtime: RuntimeEnvironment) -> Object:
    spec = order.spec
    datadog = spec.datadog_integration_settings
    sources, mounts = _volumes(runtime, with_datadog=bool(datadog and datadog.mount_datadog_socket))
    container = _filled(
        name=order.key.request_id,
        image=_image(spec.container),
        imagePullPolicy="IfNotPresent",
        command=[word for word in spec.command.split(" ") if word],
        args=[_argument(argument, order) for argument in spec.args or ()],
        env=_environment(order, runtime),
        envFrom=runtime.mapped_environment_variables,
        resources=container_resources(spec.compute_resources) if spec.compute_resources else None,
        volumeMounts=mounts,
    )
    return _filled(
        restartPolicy="Never",
        serviceAccountName=spec.container.service_account_name,
        affinity=order.workgroup.affinity,
        tolerations=order.workgroup.tolerations,
        containers=[container],
        volumes=[{"name": name, **source} for name, source in sources.items()],
    )


def _image(container: Container) -> str:
    return f"{container.registry}/{container.image}:{container.version_tag}"


def _argument(argument: str, order: JobOrder) -> str:
    """Fill the payload URL or the request id into an argument.

    `%%` is a percent sign, as in the Go implementation. Where that one writes an error into the
    argument (no `%s`, or several), this one has nothing to fill, or fills all.
    """
    if "sas-uri" in argument:
        operand = order.urls.payload
    elif "request-id" in argument:
        operand = order.key.request_id
    else:
        return argument
    # One pass, so that a percent sign in the URL is not taken for a verb.
    return _FORMAT_VERB.sub(lambda verb: operand if verb[0] == "%s" else "%", argument)


def _environment(order: JobOrder, runtime: RuntimeEnvironment) -> list[Object]:
    ours = _own_variables(order)
    theirs = []
    for variable in runtime.environment_variables or ():
        name = variable["name"]
        if name in _TEMPLATE_MAY_SET:
            ours.pop(name, None)
        if name not in ours:
            theirs.append(variable)
    return theirs + [{"name": name, "value": value} for name, value in ours.items() if value]


def _own_variables(order: JobOrder) -> dict[str, str]:
    parent, urls = order.parent, order.urls
    return {
        "NEXUS__ALGORITHM_NAME": order.key.algorithm,
        "NEXUS__SHARD_NAME": order.workgroup.cluster,
        "NEXUS__PARENT_REQUEST_ID": parent.request_id if parent else "",
        "NEXUS__PARENT_ALGORITHM_NAME": parent.algorithm_name if parent else "",
        "NEXUS__REQUEST_ID": order.key.request_id,
        RECEIVER_URL_VARIABLE: urls.receiver,
        SCHEDULER_URL_VARIABLE: urls.scheduler,
        PAYLOAD_URL_VARIABLE: urls.payload,
        RESULT_UPLOAD_URL_VARIABLE: urls.result_upload,
    }


def _volumes(
    runtime: RuntimeEnvironment, *, with_datadog: bool
) -> tuple[dict[str, Object], list[Object]]:
    """Return the source of each volume by the volume's name, and the mounts.

    Mounts of one name share one volume; that they have one source is a rule for templates.
    """
    sources: dict[str, Object] = {}
    mounts: list[Object] = []
    if with_datadog:
        sources[DATADOG_VOLUME] = {"hostPath": {"path": _DATADOG_SOCKET}}
        mounts.append({"name": DATADOG_VOLUME, "mountPath": _DATADOG_SOCKET})
    for kind, wanted in (
        (_config_map, runtime.configuration_file_mounts),
        (_secret, runtime.secret_file_mounts),
        (_storage, runtime.storage_mounts),
    ):
        for source, mount in (wanted or {}).items():
            sources.setdefault(mount["name"], kind(source))
            mounts.append(mount)
    return sources, mounts


def _config_map(name: str) -> Object:
    return {"configMap": {"name": name}}


def _secret(name: str) -> Object:
    return {"secret": {"secretName": name}}


def _storage(name: str) -> Object:
    if name == "emptyDir":
        return {"emptyDir": {}}
    return {"persistentVolumeClaim": {"claimName": name}}
