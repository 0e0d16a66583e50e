"""How a Job was that is gone, by what was recorded of its run's way."""

import re
from collections.abc import Sequence

from nexus_core.domain.journal import RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import (
    ContainerEnding,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)
from nexus_core.domain.run_events import COMPLETED

# How the message of an ending begins, and what the container said beyond it.
_ENDING = re.compile(r"exit code (-?\d+)(?:: (.*))?", re.DOTALL)


def recalled(key: RunKey, events: Sequence[RunEvent]) -> JobStatus | None:
    """Return the last known status of a run's Job; None when its end was not recorded.

    `events` are all of that run's, oldest first. Of its tries, the last is shown.
    """
    ended = _last(events, RunEventKind.JOB_ENDED)
    deleted = _last(events, RunEventKind.JOB_DELETED)
    if ended is None and deleted is None:
        return None
    pod = _last_try(events)
    ending = pod.ending if pod else None
    return JobStatus(
        key=key,
        uid="",
        phase=_phase(ended),
        created_at=events[0].at,
        finished_at=ended.at if ended else None,
        reason=ended.reason if ended and ended.reason != COMPLETED else "",
        message=ended.message if ended else "",
        exit_code=ending.exit_code if ending else None,
        termination_reason=ending.reason if ending else "",
        deleted_at=deleted.at if deleted else None,
        pods=(pod,) if pod else (),
    )


def _phase(ended: RunEvent | None) -> JobPhase:
    if ended is None:
        return JobPhase.ACTIVE
    return JobPhase.SUCCEEDED if ended.reason == COMPLETED else JobPhase.FAILED


def _last_try(events: Sequence[RunEvent]) -> PodStatus | None:
    container = _last(events, RunEventKind.ENDED)
    told = _ENDING.match(container.message) if container else None
    if container is None or told is None:
        return None
    taken = _last(events, RunEventKind.DISRUPTED, container.subject)
    return PodStatus(
        uid=container.subject,
        name=container.subject,
        phase=PodPhase.FAILED if int(told[1]) else PodPhase.SUCCEEDED,
        created_at=events[0].at,
        ending=ContainerEnding(
            exit_code=int(told[1]),
            reason=container.reason,
            at=container.at,
            message=told[2] or "",
        ),
        disruption=Trouble(reason=taken.reason, message=taken.message) if taken else None,
    )


def _last(events: Sequence[RunEvent], kind: RunEventKind, subject: str = "") -> RunEvent | None:
    for event in reversed(events):
        if event.kind is kind and subject in {"", event.subject}:
            return event
    return None
