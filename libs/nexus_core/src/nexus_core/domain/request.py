"""What clients and algorithms send: the bodies of the public API, as they are decoded.

Field names and rules are the contract's. Unknown fields are ignored: published clients send some.
"""

from enum import StrEnum
from typing import Annotated

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.template import Quantity


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all request bodies: camelCase on the wire, unknown fields ignored."""


class ContainerOverrides(Body, frozen=True):
    """Empty or missing fields keep the template's values."""

    image: str | None = None
    registry: str | None = None
    version_tag: str | None = None


class ComputeOverrides(Body, frozen=True):
    """Empty or missing fields keep the template's values."""

    cpu_limit: str | None = None
    memory_limit: str | None = None
    limits: dict[str, Quantity] | None = None
    requests: dict[str, Quantity] | None = None


class WorkgroupOverrides(Body, frozen=True):
    """Empty or missing fields keep the template's values."""

    name: str | None = None
    group: str | None = None
    kind: str | None = None


class RuntimeOverrides(Body, frozen=True):
    """Missing fields keep the template's values."""

    deadline_seconds: int | None = None
    maximum_retries: int | None = None


class Overrides(Body, frozen=True):
    """The fields of a template that a caller may change for one run.

    Every other field of a template spec is ignored on purpose: it would let a caller escape the
    template (another service account, another command).
    """

    container: ContainerOverrides | None = None
    compute_resources: ComputeOverrides | None = None
    workgroup_ref: WorkgroupOverrides | None = None
    runtime_environment: RuntimeOverrides | None = None


class ParentReference(Body, frozen=True):
    """The run that started this one."""

    request_id: str
    algorithm_name: str

    @property
    def key(self) -> RunKey:
        """What identifies the run."""
        return RunKey(self.algorithm_name, self.request_id)


class AlgorithmRequest(Body, frozen=True):
    """The body of `POST …/run/{algorithmName}`."""

    algorithm_parameters: Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]
    """The payload: a JSON object, kept as the bytes it came in."""
    custom_configuration: Overrides | None = None
    request_api_version: str | None = None
    tag: str | None = None
    """Names a group of runs that belong together for the caller."""
    parent_request: ParentReference | None = None
    payload_valid_for: str | None = None
    """A Go duration such as `24h`; wins over the template's."""


class CancellationPolicy(StrEnum):
    """What happens to the runs that the cancelled run started. Kubernetes deletion propagation."""

    BACKGROUND = "Background"
    FOREGROUND = "Foreground"
    ORPHAN = "Orphan"


class CancellationRequest(Body, frozen=True):
    """The body of `POST …/cancel/{algorithmName}/requests/{requestId}`."""

    initiator: str | None = None
    """Who cancels; stands in the cause."""
    reason: str | None = None
    """Why; stands in the details."""
    cancellation_policy: CancellationPolicy | None = None


class TagUpdate(Body, frozen=True):
    """The body of `POST …/metadata/tags/{algorithmName}/requests/{requestId}`."""

    new_tag: Annotated[str, msgspec.Meta(max_length=1024)]


class Completion(Body, frozen=True):
    """The body of `POST …/complete/{algorithmName}/requests/{requestId}` at the receiver."""

    result_uri: str | None = None
    error_cause: str | None = None
    """Empty or missing: the run succeeded."""
    error_details: str | None = None
