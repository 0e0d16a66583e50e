"""What is counted of each state."""

import pytest

from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    Trouble,
    headline,
)
from support.observations import a_job_status, a_pod_status
from support.runs import LONG_AGO

ENDED = ContainerEnding(exit_code=1, reason="Error", at=LONG_AGO)


def active(**changes: object) -> JobStatus:
    return a_job_status(JobPhase.ACTIVE, **changes)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (a_job_status(JobPhase.SUCCEEDED), ("Job", "Completed")),
        (a_job_status(JobPhase.FAILED, reason="DeadlineExceeded"), ("Job", "DeadlineExceeded")),
        (a_job_status(JobPhase.FAILED, deleted_at=LONG_AGO), ("Job", "Deleted")),
        (active(suspended=Trouble(reason="JobSuspended")), ("Job", "Suspended")),
        (active(refused=Trouble(reason="FailedCreate")), ("Job", "FailedCreate")),
        (active(), ("Job", "Created")),
        (active(pods=(a_pod_status(),)), ("Pod", "Pending")),
        (
            active(pods=(a_pod_status(waiting=Trouble(reason="ErrImagePull")),)),
            ("Pod", "ErrImagePull"),
        ),
        (
            active(
                pods=(
                    a_pod_status(
                        waiting=Trouble(reason="ContainerCreating"),
                        unprepared=Trouble(reason="FailedMount"),
                    ),
                )
            ),
            ("Pod", "FailedMount"),
        ),
        (
            active(pods=(a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO),)),
            ("Pod", "Started"),
        ),
        (
            active(pods=(a_pod_status(PodPhase.FAILED, started_at=LONG_AGO, ending=ENDED),)),
            ("Pod", "Error"),
        ),
        (
            active(
                pods=(
                    a_pod_status(
                        PodPhase.FAILED, ending=ENDED, disruption=Trouble(reason="Evicted")
                    ),
                    a_pod_status(PodPhase.RUNNING, started_at=LONG_AGO),
                )
            ),
            ("Pod", "Started"),
        ),
    ],
)
def test_a_state_is_counted_by_the_word_that_says_most_of_it(
    status: JobStatus, told: tuple[str, str]
) -> None:
    assert headline(status) == told
