"""Entries of the journal as rows, and rows as entries. The order of columns is `statements`'.

Pure: nothing here touches a session.
"""

from datetime import datetime
from typing import cast

from nexus_core.adapters.cassandra.rows import whole_millis
from nexus_core.adapters.cassandra.session import UNSET, Row, Value
from nexus_core.domain.journal import LaneSample, LaneState, LogTail, RunEvent, RunEventKind
from nexus_core.domain.names import RunKey

_EVENT_KINDS = frozenset(kind.value for kind in RunEventKind)
_LANE_STATES = frozenset(state.value for state in LaneState)


def event_row(event: RunEvent) -> tuple[Value, ...]:
    """Return the columns of an event."""
    return (
        event.key.algorithm,
        event.key.request_id,
        whole_millis(event.at),
        event.kind.value,
        event.subject,
        event.reason,
        event.message,
    )


def event_of(row: Row) -> RunEvent | None:
    """Return the event of a row; None for a kind that a later release knows."""
    algorithm, request_id, at, kind, subject, reason, message = row
    if kind not in _EVENT_KINDS:
        return None
    return RunEvent(
        key=RunKey(cast("str", algorithm), cast("str", request_id)),
        at=cast("datetime", at),
        kind=RunEventKind(cast("str", kind)),
        subject=cast("str", subject),
        reason=cast("str | None", reason) or "",
        message=cast("str | None", message) or "",
    )


def tail_row(tail: LogTail) -> tuple[Value, ...]:
    """Return the columns of the end of a log, without its run."""
    return (tail.text, whole_millis(tail.at), tail.pod, tail.truncated)


def tail_of(row: Row) -> LogTail:
    """Return the end of a log of a row."""
    content, at, pod, truncated = row
    return LogTail(
        text=cast("str | None", content) or "",
        at=cast("datetime", at),
        pod=cast("str | None", pod) or "",
        truncated=bool(truncated),
    )


def sample_row(sample: LaneSample) -> tuple[Value, ...]:
    """Return the columns of a sample, without its day."""
    oldest = sample.oldest_received_at
    return (
        sample.owner,
        sample.cluster,
        whole_millis(sample.at),
        sample.state.value,
        sample.depth,
        sample.rate,
        UNSET if oldest is None else whole_millis(oldest),
        sample.reason,
    )


def sample_of(row: Row) -> LaneSample | None:
    """Return the sample of a row; None for a state that a later release knows."""
    owner, cluster, at, state, depth, rate, oldest, reason = row
    if state not in _LANE_STATES:
        return None
    return LaneSample(
        owner=cast("str", owner),
        cluster=cast("str", cluster),
        at=cast("datetime", at),
        state=LaneState(cast("str", state)),
        depth=cast("int", depth),
        rate=cast("float", rate),
        oldest_received_at=cast("datetime | None", oldest),
        reason=cast("str | None", reason) or "",
    )
