"""What the container of a run may use, and what it asks its cluster to set aside."""

from collections.abc import Mapping

import msgspec

from nexus_core.domain.quantities import parse_quota, scale_cpu
from nexus_core.domain.template import ComputeResources, Quantity


def limits_of(compute: ComputeResources) -> Mapping[str, Quantity]:
    """Return the limits by resource, without custom resources: `limits`, or else the older pair."""
    if compute.limits:
        return compute.limits
    older = {"cpu": compute.cpu_limit, "memory": compute.memory_limit}
    return {resource: limit for resource, limit in older.items() if limit}


def requests_of(compute: ComputeResources) -> Mapping[str, Quantity]:
    """Return the requests by resource, without custom resources.

    Without `requests` they are the limits, with CPU scaled by the default quota: algorithms burst
    on CPU, which can be shared, and die of missing memory, which can't.
    """
    if compute.requests:
        return compute.requests
    limits = limits_of(compute)
    if "cpu" not in limits:
        return limits
    quota = parse_quota(compute.default_resource_quota)
    return {**limits, "cpu": scale_cpu(limits["cpu"], quota)}


def container_resources(compute: ComputeResources) -> dict[str, dict[str, str]]:
    """Return the `resources` of the container, empty parts left out.

    All quantities are text, Kubernetes' own spelling. Custom resources stand on both sides, as
    Kubernetes demands of resources that can't be overcommitted.
    """
    custom = compute.custom_resources or {}
    parts = {
        "limits": _as_text(limits_of(compute)) | custom,
        "requests": _as_text(requests_of(compute)) | custom,
    }
    return {name: part for name, part in parts.items() if part}


def _as_text(resources: Mapping[str, Quantity]) -> dict[str, str]:
    return {name: str(value) for name, value in resources.items()}


def memory_limit(manifest: bytes) -> str:
    """Return the memory limit of a stored Job's container, empty when there is none.

    Never fails: it rounds off a sentence that is to be told whatever the manifest holds.
    """
    try:
        containers = msgspec.json.decode(manifest)["spec"]["template"]["spec"]["containers"]
        return str(containers[0]["resources"]["limits"]["memory"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return ""
