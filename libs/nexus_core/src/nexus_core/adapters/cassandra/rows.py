"""Domain values as columns, and columns as domain values, in the encoding that all of Nexus shares.

Pure: nothing here touches a database. Times are kept to the millisecond, what is finer is cut
off. Texts that say nothing are left unset, and what others wrote is read with patience: null, empty
text, an empty timestamp and `{}` all mean that nothing is recorded.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec

from nexus_core.adapters.cassandra.lenient_json import decoded
from nexus_core.adapters.cassandra.session import UNSET, Row, Unset, Value
from nexus_core.domain.checkpoint import Checkpoint, Lease, OpenRun, RunSummary
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import Overrides, ParentReference
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.template import TemplateSpec

T = TypeVar("T", bound=msgspec.Struct)

_PREFIX = "b64__"

# What Go calls the zero time; rows of others hold it, or an empty timestamp, where there is none.
NO_TIME = datetime.min.replace(tzinfo=UTC)

_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(microseconds=999)

CHECKPOINT_COLUMNS = (
    "algorithm",
    "id",
    "lifecycle_stage",
    "payload_uri",
    "result_uri",
    "algorithm_failure_cause",
    "algorithm_failure_details",
    "received_by_host",
    "received_at",
    "sent_at",
    "applied_configuration",
    "configuration_overrides",
    "content_hash",
    "last_modified",
    "tag",
    "api_version",
    "job_uid",
    "parent",
)

OPEN_RUN_COLUMNS = (
    "algorithm",
    "id",
    "lifecycle_stage",
    "received_by_host",
    "received_at",
    "sent_at",
    "last_modified",
    "job_uid",
)

SUMMARY_COLUMNS = (
    "algorithm",
    "id",
    "lifecycle_stage",
    "tag",
    "received_at",
    "sent_at",
    "last_modified",
    "algorithm_failure_cause",
)

_STAGE_AT = 2
"""Where the stage stands in each of them."""

_encoder = msgspec.json.Encoder()


def whole_millis(time: datetime) -> datetime:
    """Return a time in UTC as the store keeps it."""
    time = time.astimezone(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def millis_above(time: datetime) -> datetime:
    """Return the earliest time that the store can keep and that is not before this one.

    Where there is none, the last that can be written: who asks for all may name the end of time.
    """
    return whole_millis(min(time, _LAST) + timedelta(microseconds=999))


def checkpoint_row(checkpoint: Checkpoint) -> list[Value]:
    """Return the columns of a checkpoint, in the order of `CHECKPOINT_COLUMNS`."""
    return [
        checkpoint.algorithm,
        checkpoint.id,
        checkpoint.lifecycle_stage.value,
        _text(checkpoint.payload_uri),
        _text(checkpoint.result_uri),
        _text(checkpoint.algorithm_failure_cause),
        _text(checkpoint.algorithm_failure_details),
        _text(checkpoint.received_by_host),
        whole_millis(checkpoint.received_at),
        UNSET if checkpoint.sent_at is None else whole_millis(checkpoint.sent_at),
        _wrapped(checkpoint.applied_configuration),
        _wrapped(checkpoint.configuration_overrides),
        _text(checkpoint.content_hash),
        whole_millis(checkpoint.last_modified),
        _text(checkpoint.tag),
        _text(checkpoint.api_version),
        _text(checkpoint.job_uid),
        _wrapped(checkpoint.parent),
    ]


def is_left_over(row: Row) -> bool:
    """Tell whether a row, of any of those columns, is but the rest of a run whose time is over.

    Each cell has a time to live of its own. A run that got another tag long after it had finished
    loses its stage first; what is left then is no run.
    """
    return row[_STAGE_AT] is None


def checkpoint_of(row: Row) -> Checkpoint:
    """Return the checkpoint of a row, whoever wrote it.

    Raises:
        UnavailableError: it was written in a way that this version can't read.
    """
    cells = _Cells(CHECKPOINT_COLUMNS, row)
    try:
        return Checkpoint(
            algorithm=cells.text("algorithm"),
            id=cells.text("id"),
            lifecycle_stage=cells.stage(),
            payload_uri=cells.text("payload_uri"),
            result_uri=cells.text("result_uri"),
            algorithm_failure_cause=cells.text("algorithm_failure_cause"),
            algorithm_failure_details=cells.text("algorithm_failure_details"),
            received_by_host=cells.text("received_by_host"),
            received_at=cells.time("received_at"),
            sent_at=cells.time_or_none("sent_at"),
            applied_configuration=_unwrapped(cells.text("applied_configuration"), TemplateSpec),
            configuration_overrides=_unwrapped(cells.text("configuration_overrides"), Overrides),
            content_hash=cells.text("content_hash"),
            last_modified=cells.time("last_modified"),
            tag=cells.text("tag"),
            api_version=cells.text("api_version"),
            job_uid=cells.text("job_uid"),
            parent=_unwrapped(cells.text("parent"), ParentReference),
        )
    except (ValueError, binascii.Error) as error:
        raise _unreadable(row, error) from error


def change_columns(change: StageChange) -> dict[str, Value]:
    """Return what a change of stage writes, by column; what it leaves as it is, is not there."""
    columns: dict[str, Value] = {"last_modified": whole_millis(change.at)}
    if change.cause:
        columns["algorithm_failure_cause"] = change.cause
    if change.details:
        columns["algorithm_failure_details"] = change.details
    if change.result_uri:
        columns["result_uri"] = change.result_uri
    if change.sent_at is not None:
        columns["sent_at"] = whole_millis(change.sent_at)
    if change.job_uid:
        columns["job_uid"] = change.job_uid
    return columns


def stage_of(current: Mapping[str, Value]) -> Stage | None:
    """Return the stage in what a lightweight transaction found; None: there is no such run."""
    text = current.get("lifecycle_stage")
    return Stage(cast("str", text)) if text else None


def open_run_of(row: Row) -> OpenRun:
    """Return the run of a row with `OPEN_RUN_COLUMNS`.

    Raises:
        UnavailableError: it was written in a way that this version can't read.
    """
    cells = _Cells(OPEN_RUN_COLUMNS, row)
    try:
        return OpenRun(
            key=RunKey(cells.text("algorithm"), cells.text("id")),
            stage=cells.stage(),
            owner=cells.text("received_by_host"),
            received_at=cells.time("received_at"),
            sent_at=cells.time_or_none("sent_at"),
            last_modified=cells.time("last_modified"),
            job_uid=cells.text("job_uid"),
        )
    except ValueError as error:
        raise _unreadable(row, error) from error


def summary_of(row: Row) -> RunSummary:
    """Return the run of a row with `SUMMARY_COLUMNS`.

    Raises:
        UnavailableError: it was written in a way that this version can't read.
    """
    cells = _Cells(SUMMARY_COLUMNS, row)
    try:
        return RunSummary(
            key=RunKey(cells.text("algorithm"), cells.text("id")),
            stage=cells.stage(),
            tag=cells.text("tag"),
            received_at=cells.time("received_at"),
            sent_at=cells.time_or_none("sent_at"),
            last_modified=cells.time("last_modified"),
            cause=cells.text("algorithm_failure_cause"),
        )
    except ValueError as error:
        raise _unreadable(row, error) from error


def summary_of_checkpoint(checkpoint: Checkpoint) -> RunSummary:
    """Return the shorter view of a run."""
    return RunSummary(
        key=checkpoint.key,
        stage=checkpoint.lifecycle_stage,
        tag=checkpoint.tag,
        received_at=checkpoint.received_at,
        sent_at=checkpoint.sent_at,
        last_modified=checkpoint.last_modified,
        cause=checkpoint.algorithm_failure_cause,
    )


def lease_of(row: Row) -> Lease:
    """Return the lease of a row: owner, call-back URL, expiry."""
    cells = _Cells(("owner", "callback_url", "expires_at"), row)
    return Lease(
        owner=cells.text("owner"),
        callback_url=cells.text("callback_url"),
        expires_at=cells.time("expires_at"),
    )


class _Cells:
    """A row by the names of its columns; null and empty are one."""

    def __init__(self, columns: tuple[str, ...], row: Row) -> None:
        self._cells = dict(zip(columns, row, strict=True))

    def text(self, column: str) -> str:
        return cast("str", self._cells[column] or "")

    def stage(self) -> Stage:
        return Stage(self.text("lifecycle_stage"))

    def time(self, column: str) -> datetime:
        return self.time_or_none(column) or NO_TIME

    def time_or_none(self, column: str) -> datetime | None:
        time = cast("datetime | None", self._cells[column])
        return None if time is None or time.year == 1 else time


def _text(text: str) -> str | Unset:
    return text or UNSET


def _wrapped(value: msgspec.Struct | None) -> str | Unset:
    if value is None:
        return UNSET
    return _PREFIX + base64.b64encode(_encoder.encode(value)).decode()


def _unwrapped(text: str, kind: type[T]) -> T | None:
    """Read JSON, plain or wrapped; None for what is empty."""
    if text.startswith(_PREFIX):
        raw = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    else:
        raw = text.encode()
    return None if raw.strip() in {b"", b"{}", b"null"} else decoded(raw, kind)


def _unreadable(row: Row, error: Exception) -> UnavailableError:
    key: tuple[Any, Any] = (row[0], row[1])
    return UnavailableError(
        f"the checkpoint of {key[0]}/{key[1]} is not in a form that we can read: {error}"
    )
