"""What a cancellation records, and what its record says to those who start the run's children."""

from datetime import datetime

from msgspec.structs import replace

from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy, CancellationRequest
from nexus_core.domain.stages import Stage, StageChange

# The tables have no column for the policy, and whoever starts a child later has to know it. So the
# sentence that tells the caller tells us, too.
_CHILDREN_GO_ON = "The runs that it started go on."


def cancellation(request: CancellationRequest, at: datetime) -> StageChange:
    """Return the change that cancels a run as asked."""
    initiator = request.initiator or "a client that gave no name"
    details = f"Reason: {request.reason or 'none given'}."
    if request.cancellation_policy is CancellationPolicy.ORPHAN:
        details = f"{details} {_CHILDREN_GO_ON}"
    return StageChange(
        to=Stage.CANCELLED, at=at, cause=f"Cancelled by {initiator}.", details=details
    )


def cancelled_with_parent(change: StageChange, parent: RunKey) -> StageChange:
    """Return the change that cancels a run below one that `change` cancels."""
    return replace(change, cause=f"{change.cause[:-1]}, with its parent {parent}.")


def takes_children_along(parent: Checkpoint) -> bool:
    """Tell whether a run was cancelled together with all that it started, or is about to."""
    return (
        parent.lifecycle_stage is Stage.CANCELLED
        and not parent.algorithm_failure_details.endswith(_CHILDREN_GO_ON)
    )
