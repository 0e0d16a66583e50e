"""Templates and workgroups, as the custom resources of group `science.sneaksanddata.com` hold them.

Shapes only: `template_rules` says which values are sound, `overrides` what a request may change.
Core Kubernetes types (environment variables, volume mounts, tolerations, affinity) pass through as
they were written, so that a newer field of theirs is not lost on the way to the Job.
"""

from typing import Any

import msgspec

API_GROUP = "science.sneaksanddata.com"
API_VERSION = f"{API_GROUP}/v1"
TEMPLATE_KIND = "NexusAlgorithmTemplate"
WORKGROUP_KIND = "NexusAlgorithmWorkgroup"

Quantity = str | int | float
"""A Kubernetes quantity as YAML may hold it: `500Mi`, `"1"`, `2`, `0.5`."""


class Spec(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of all parts of a resource: camelCase on the wire, empty fields left out."""


class Container(Spec, frozen=True):
    """The image that a run starts, and the service account that it runs as."""

    image: str
    """The image's name below its registry, in lower case, without its tag."""
    registry: str
    """Where the image is, such as `ghcr.io/my-team`."""
    version_tag: str
    """The image's tag, such as `v1.2.3` or `v1.2.3@sha256:…`."""
    service_account_name: str = ""
    """Whom the pods are to the cluster; empty: the namespace's default account."""


class ComputeResources(Spec, frozen=True):
    """What a run may use. `limits` wins over the older `cpuLimit` and `memoryLimit`."""

    cpu_limit: str = ""
    """The older way to say `limits.cpu`."""
    memory_limit: str = ""
    """The older way to say `limits.memory`."""
    requests: dict[str, Quantity] | None = None
    """Resource name to quantity, at most the limit. None: the limits, CPU scaled by the quota."""
    limits: dict[str, Quantity] | None = None
    """Resource name to quantity, such as `cpu: "2"` or `memory: 512Mi`."""
    default_resource_quota: str = ""
    """Share of the CPU limit to request where `requests` is missing; a number, default 0.1."""
    custom_resources: dict[str, str] | None = None
    """Resource name to quantity, such as `nvidia.com/gpu: "1"`; set on limits and requests."""


class WorkgroupRef(Spec, frozen=True):
    """Names the workgroup that says where runs of a template go."""

    name: str = ""
    """A workgroup in the namespace of the template."""
    group: str = ""
    """For readers: `science.sneaksanddata.com`."""
    kind: str = ""
    """`NexusAlgorithmWorkgroup`, or empty."""


class PayloadConfiguration(Spec, frozen=True):
    """How a run gets its input."""

    payload_valid_for: str = ""
    """How long the payload's URL is valid: a Go duration such as `24h`."""
    payload_serialization: str = ""
    """`s3` (default): the payload store; `backend`: the checkpoint store's `payload_buffer`."""


class RuntimeEnvironment(Spec, frozen=True):
    """What surrounds the container of a run."""

    environment_variables: list[dict[str, Any]] | None = None
    """Core `EnvVar` objects."""
    mapped_environment_variables: list[dict[str, Any]] | None = None
    """Core `EnvFromSource` objects."""
    configuration_file_mounts: dict[str, dict[str, Any]] | None = None
    """Name of a config map to a core `VolumeMount`."""
    secret_file_mounts: dict[str, dict[str, Any]] | None = None
    """Name of a secret to a core `VolumeMount`."""
    storage_mounts: dict[str, dict[str, Any]] | None = None
    """Name of a claim, or `emptyDir`, to a core `VolumeMount`."""
    annotations: dict[str, str] | None = None
    """Set on the Job and its pods."""
    deadline_seconds: int | None = None
    """How long all tries of a run may take together, in seconds."""
    maximum_retries: int | None = None
    """How many times a failed try is followed by another one."""


class ErrorHandlingBehaviour(Spec, frozen=True):
    """What the exit code of a run means."""

    transient_exit_codes: list[int] | None = None
    """A try that ends so is repeated and does not count as a retry."""
    fatal_exit_codes: list[int] | None = None
    """A try that ends so fails the run at once."""


class DatadogIntegrationSettings(Spec, frozen=True):
    """Datadog's agent socket."""

    mount_datadog_socket: bool | None = None
    """Whether `/var/run/datadog` of the node is mounted, as the volume `dsdsocket`."""


class TemplateSpec(Spec, frozen=True):
    """All that a run of an algorithm needs. The spec of a `NexusAlgorithmTemplate`."""

    container: Container
    command: str
    """Split on spaces; the first word is the program."""
    args: list[str] | None = None
    """In one that contains `sas-uri`, `%s` becomes the payload's URL; in one that contains
    `request-id`, the id of the run."""
    compute_resources: ComputeResources | None = None
    workgroup_ref: WorkgroupRef | None = None
    payload_configuration: PayloadConfiguration | None = None
    runtime_environment: RuntimeEnvironment | None = None
    error_handling_behaviour: ErrorHandlingBehaviour | None = None
    datadog_integration_settings: DatadogIntegrationSettings | None = None


class WorkgroupSpec(Spec, frozen=True):
    """Where runs go, and what their pods tolerate. The spec of a `NexusAlgorithmWorkgroup`."""

    cluster: str
    """A cluster that the scheduler reaches, by the name of its kubeconfig file."""
    description: str = ""
    """For people."""
    capabilities: dict[str, bool] | None = None
    """For people: what the nodes have, such as `gpu: true`."""
    tolerations: list[dict[str, Any]] | None = None
    """Core `Toleration` objects."""
    affinity: dict[str, Any] | None = None
    """A core `Affinity` object."""


class Template(msgspec.Struct, frozen=True):
    """A named template, as a catalogue holds it."""

    name: str
    spec: TemplateSpec


class Workgroup(msgspec.Struct, frozen=True):
    """A named workgroup, as a catalogue holds it."""

    name: str
    spec: WorkgroupSpec
