"""The condition `Accepted` in the status of templates and workgroups. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.custom_resources import CustomResource
from nexus_core.adapters.kubernetes.held_resources import Verdict

CONDITION = "Accepted"
"""Its type. Not `Ready`: the Go implementation's configuration controller writes that."""


def says_already(resource: CustomResource, verdict: Verdict) -> bool:
    """Tell whether the status of a resource says this of the version that it has."""
    stored = _stored(resource.conditions())
    if stored is None:
        return False
    wanted = _condition(resource, verdict, "")
    return all(stored.get(field) == wanted[field] for field in wanted if field != _TIME)


def patch(resource: CustomResource, verdict: Verdict, now: datetime) -> bytes:
    """Return the merge patch that makes the status of a resource say it.

    It does so only while nobody has changed the resource: others write conditions too, and a merge
    patch replaces the list as a whole. When the status of the condition stays, so does its time.
    """
    conditions = resource.conditions()
    stored = _stored(conditions)
    status = _status(verdict)
    since = stored.get(_TIME) if stored and stored.get("status") == status else None
    written = (
        since if isinstance(since, str) else now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    others = [one for one in conditions if one.get("type") != CONDITION]
    return msgspec.json.encode(
        {
            "metadata": {"resourceVersion": resource.metadata.resource_version},
            "status": {"conditions": [*others, _condition(resource, verdict, written)]},
        }
    )


_TIME = "lastTransitionTime"


def _stored(conditions: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    return next((one for one in conditions if one.get("type") == CONDITION), None)


def _status(verdict: Verdict) -> str:
    return "True" if verdict.accepted else "False"


def _condition(resource: CustomResource, verdict: Verdict, since: str) -> dict[str, Any]:
    return {
        "type": CONDITION,
        "status": _status(verdict),
        "reason": verdict.reason,
        "message": verdict.message,
        "observedGeneration": resource.metadata.generation,
        _TIME: since,
    }
