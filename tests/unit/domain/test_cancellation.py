import pytest

from nexus_core.domain.cancellation import (
    cancellation,
    cancelled_with_parent,
    takes_children_along,
)
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy, CancellationRequest
from nexus_core.domain.stages import Stage
from support.runs import LONG_AGO, a_checkpoint

POLICIES = [None, *CancellationPolicy]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cancellation_says_who_and_why(policy: CancellationPolicy | None) -> None:
    asked = CancellationRequest(
        initiator="me", reason="no longer needed", cancellation_policy=policy
    )

    change = cancellation(asked, LONG_AGO)

    assert (change.to, change.at) == (Stage.CANCELLED, LONG_AGO)
    assert change.cause == "Cancelled by me."
    assert change.details.startswith("Reason: no longer needed.")


def test_a_cancellation_without_words_has_a_cause_and_details_all_the_same() -> None:
    change = cancellation(CancellationRequest(), LONG_AGO)

    assert change.cause == "Cancelled by a client that gave no name."
    assert change.details == "Reason: none given."


@pytest.mark.parametrize("policy", POLICIES)
def test_the_record_of_a_cancellation_tells_whether_children_go_along(
    policy: CancellationPolicy | None,
) -> None:
    change = cancellation(CancellationRequest(cancellation_policy=policy), LONG_AGO)
    parent = a_checkpoint(
        lifecycle_stage=change.to,
        algorithm_failure_cause=change.cause,
        algorithm_failure_details=change.details,
    )

    assert takes_children_along(parent) is (policy is not CancellationPolicy.ORPHAN)


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.CANCELLED}))
def test_a_run_that_is_not_cancelled_takes_nobody_along(stage: Stage) -> None:
    assert not takes_children_along(a_checkpoint(lifecycle_stage=stage))


def test_a_run_below_is_cancelled_by_the_same_person_for_the_same_reason() -> None:
    change = cancellation(CancellationRequest(initiator="me", reason="because"), LONG_AGO)

    below = cancelled_with_parent(change, RunKey("fan-out", "x"))

    assert below.cause == "Cancelled by me, with its parent fan-out/x."
    assert (below.to, below.at, below.details) == (change.to, change.at, change.details)
