"""Domain values as rows, and rows as domain values. The order of columns is that of `statements`.

Pure: nothing here touches a database.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from nexus_core.domain.checkpoint import Checkpoint, Lease, OpenRun, RunSummary
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.journal import LaneSample, LaneState, LogTail, RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import Overrides, ParentReference
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.template import TemplateSpec

Row = tuple[Any, ...]
"""What the driver takes and returns: None, int, str and bytes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# No time that Nexus records lies before or after: where a page begins and ends when nobody says.
EARLIEST = -(2**63)
LATEST = 2**63 - 1

_EVENT_KINDS = frozenset(kind.value for kind in RunEventKind)
_LANE_STATES = frozenset(state.value for state in LaneState)

_encoder = msgspec.json.Encoder()
_spec_decoder = msgspec.json.Decoder(TemplateSpec)
_overrides_decoder = msgspec.json.Decoder(Overrides)


def micros(time: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def instant(number: int) -> datetime:
    """Return microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=number)


def whole_millis(time: datetime) -> int:
    """Return an aware time, cut off to milliseconds, as microseconds since 1970."""
    return micros(time) // 1000 * 1000


def checkpoint_row(checkpoint: Checkpoint, cluster: str) -> Row:
    """Return the columns of a checkpoint, and the cluster that its Job is for."""
    parent = checkpoint.parent
    return (
        checkpoint.algorithm,
        checkpoint.id,
        checkpoint.lifecycle_stage.value,
        checkpoint.payload_uri,
        checkpoint.result_uri,
        checkpoint.algorithm_failure_cause,
        checkpoint.algorithm_failure_details,
        checkpoint.received_by_host,
        micros(checkpoint.received_at),
        _micros_or_none(checkpoint.sent_at),
        _json(checkpoint.applied_configuration),
        _json(checkpoint.configuration_overrides),
        checkpoint.content_hash,
        micros(checkpoint.last_modified),
        checkpoint.tag,
        checkpoint.api_version,
        checkpoint.job_uid,
        "" if parent is None else parent.algorithm_name,
        "" if parent is None else parent.request_id,
        cluster,
    )


def checkpoint_of(row: Row) -> Checkpoint:
    """Return what `checkpoint_row` was made of.

    Raises:
        UnavailableError: another version of Nexus wrote it in a way that this one can't read.
    """
    spec, overrides, parent_id = row[10], row[11], row[18]
    try:
        return Checkpoint(
            algorithm=row[0],
            id=row[1],
            lifecycle_stage=Stage(row[2]),
            payload_uri=row[3],
            result_uri=row[4],
            algorithm_failure_cause=row[5],
            algorithm_failure_details=row[6],
            received_by_host=row[7],
            received_at=instant(row[8]),
            sent_at=_instant_or_none(row[9]),
            applied_configuration=None if spec is None else _spec_decoder.decode(spec),
            configuration_overrides=(
                None if overrides is None else _overrides_decoder.decode(overrides)
            ),
            content_hash=row[12],
            last_modified=instant(row[13]),
            tag=row[14],
            api_version=row[15],
            job_uid=row[16],
            parent=ParentReference(request_id=parent_id, algorithm_name=row[17])
            if parent_id
            else None,
        )
    except ValueError as error:
        raise UnavailableError(
            f"the checkpoint of {row[0]}/{row[1]} is not in a form that we can read: {error}"
        ) from error


def change_row(key: RunKey, change: StageChange) -> Row:
    """Return what `statements.ADVANCE` takes; None leaves a column as it is."""
    return (
        micros(change.at),
        change.cause or None,
        change.details or None,
        change.result_uri or None,
        _micros_or_none(change.sent_at),
        change.job_uid or None,
        key.algorithm,
        key.request_id,
    )


def open_run_of(row: Row) -> OpenRun:
    """Return the run of a row that a sweep found."""
    return OpenRun(
        key=RunKey(row[0], row[1]),
        stage=Stage(row[2]),
        owner=row[3],
        received_at=instant(row[4]),
        sent_at=_instant_or_none(row[5]),
        last_modified=instant(row[6]),
        job_uid=row[7],
    )


def summary_of(row: Row) -> RunSummary:
    """Return the run of a row in a list."""
    return RunSummary(
        key=RunKey(row[0], row[1]),
        stage=Stage(row[2]),
        tag=row[3],
        received_at=instant(row[4]),
        sent_at=_instant_or_none(row[5]),
        last_modified=instant(row[6]),
        cause=row[7],
    )


def lease_of(row: Row) -> Lease:
    """Return the lease of a row."""
    return Lease(owner=row[0], callback_url=row[1], expires_at=instant(row[2]))


def event_row(event: RunEvent) -> Row:
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
    if row[3] not in _EVENT_KINDS:
        return None
    return RunEvent(
        key=RunKey(row[0], row[1]),
        at=instant(row[2]),
        kind=RunEventKind(row[3]),
        subject=row[4],
        reason=row[5],
        message=row[6],
    )


def tail_row(key: RunKey, tail: LogTail) -> Row:
    """Return the columns of the end of a run's log."""
    name = (key.algorithm, key.request_id)
    return (*name, tail.text, whole_millis(tail.at), tail.pod, tail.truncated)


def tail_of(row: Row) -> LogTail:
    """Return the end of a log of a row."""
    return LogTail(text=row[0], at=instant(row[1]), pod=row[2], truncated=bool(row[3]))


def sample_row(sample: LaneSample) -> Row:
    """Return the columns of a sample."""
    oldest = sample.oldest_received_at
    return (
        sample.owner,
        sample.cluster,
        whole_millis(sample.at),
        sample.state.value,
        sample.depth,
        sample.rate,
        None if oldest is None else whole_millis(oldest),
        sample.reason,
    )


def sample_of(row: Row) -> LaneSample | None:
    """Return the sample of a row; None for a state that a later release knows."""
    if row[3] not in _LANE_STATES:
        return None
    return LaneSample(
        owner=row[0],
        cluster=row[1],
        at=instant(row[2]),
        state=LaneState(row[3]),
        depth=row[4],
        rate=row[5],
        oldest_received_at=_instant_or_none(row[6]),
        reason=row[7],
    )


def _json(value: TemplateSpec | Overrides | None) -> str | None:
    # Text and not bytes, so that people can read it with the sqlite3 tool.
    return None if value is None else _encoder.encode(value).decode()


def _micros_or_none(time: datetime | None) -> int | None:
    return None if time is None else micros(time)


def _instant_or_none(number: int | None) -> datetime | None:
    return None if number is None else instant(number)
