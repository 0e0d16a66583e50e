"""Rows as others write them read here, and ours hold exactly what is recorded in `golden`.

After a wanted change of ours: `pytest tests/unit/cassandra --update-golden`, then read the diff.
"""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.cassandra.rows import (
    CHECKPOINT_COLUMNS,
    change_columns,
    checkpoint_of,
    checkpoint_row,
    millis_above,
    whole_millis,
)
from nexus_core.adapters.cassandra.session import UNSET, Value
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.request import ContainerOverrides, Overrides, ParentReference
from nexus_core.domain.stages import Stage, StageChange
from support.runs import LONG_AGO, a_checkpoint

GOLDEN = Path(__file__).parent / "golden"
TIMES = {"received_at", "sent_at", "last_modified"}


class RowOfOthers(msgspec.Struct):
    about: str
    row: dict[str, str | None]
    """By column; an empty time is an empty timestamp, which drivers read as null."""
    reads_as: Checkpoint


ROWS_OF_OTHERS = msgspec.json.decode(
    (GOLDEN / "rows_of_others.json").read_bytes(), type=list[RowOfOthers]
)


def as_read(row: dict[str, str | None]) -> tuple[Value, ...]:
    def cell(column: str) -> Value:
        text = row[column]
        return (datetime.fromisoformat(text) if text else None) if column in TIMES else text

    return tuple(map(cell, CHECKPOINT_COLUMNS))


@pytest.mark.parametrize("example", ROWS_OF_OTHERS, ids=lambda example: example.about)
def test_what_others_write_is_read(example: RowOfOthers) -> None:
    assert checkpoint_of(as_read(example.row)) == example.reads_as


OURS = {
    "received": a_checkpoint(id="0195aa00-0000-4000-8000-000000000002"),
    "everything": a_checkpoint(
        id="0195aa00-0000-4000-8000-000000000003",
        lifecycle_stage=Stage.COMPLETED,
        result_uri="s3a://results/3",
        algorithm_failure_cause="a cause",
        algorithm_failure_details="details: žluťoučký 馬",
        sent_at=LONG_AGO + timedelta(seconds=3, microseconds=123_999),
        configuration_overrides=Overrides(container=ContainerOverrides(version_tag="3")),
        tag="nightly",
        job_uid="6f1c",
        parent=ParentReference(
            request_id="0195aa00-0000-4000-8000-000000000000", algorithm_name="fan-out"
        ),
    ),
    "bare": a_checkpoint(
        id="0195aa00-0000-4000-8000-000000000004",
        applied_configuration=None,
        payload_uri="",
        content_hash="",
        api_version="",
    ),
}


@pytest.mark.parametrize("name", OURS)
def test_our_rows_hold_what_is_recorded(name: str, request: pytest.FixtureRequest) -> None:
    row = dict(zip(CHECKPOINT_COLUMNS, checkpoint_row(OURS[name]), strict=True))
    shown: dict[str, Any] = {column: value for column, value in row.items() if value is not UNSET}
    text = msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n"
    golden = GOLDEN / f"our_row_{name}.json"
    if request.config.getoption("--update-golden"):
        golden.write_bytes(text)
    assert text == golden.read_bytes()


@pytest.mark.parametrize("name", OURS)
def test_our_rows_read_as_what_they_were_made_of(name: str) -> None:
    run = OURS[name]
    row = tuple(None if value is UNSET else value for value in checkpoint_row(run))
    kept = run.sent_at and whole_millis(run.sent_at)
    assert checkpoint_of(row) == msgspec.structs.replace(run, sent_at=kept)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("lifecycle_stage", "DREAMING"),
        ("lifecycle_stage", None),
        ("applied_configuration", "b64__not base64"),
        ("applied_configuration", "b64__bm90IEpTT04="),
        ("applied_configuration", '{"container": 7, "command": "x"}'),
        ("parent", '{"requestId": "only"}'),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_by_its_name(column: str, value: str | None) -> None:
    row = {**ROWS_OF_OTHERS[0].row, column: value}
    with pytest.raises(UnavailableError, match="tsp/0195aa00-0000-4000-8000-000000000001"):
        checkpoint_of(as_read(row))


def test_a_change_writes_what_it_says_and_nothing_else() -> None:
    at = datetime(2026, 1, 1, 13, 0, 0, 1999, tzinfo=timezone(timedelta(hours=1)))
    at_utc = datetime(2026, 1, 1, 12, 0, 0, 1000, tzinfo=UTC)
    assert change_columns(StageChange(to=Stage.RUNNING, at=at)) == {"last_modified": at_utc}
    change = StageChange(
        to=Stage.FAILED, at=at, cause="c", details="d", result_uri="r", sent_at=at, job_uid="u"
    )
    assert change_columns(change) == {
        "last_modified": at_utc,
        "algorithm_failure_cause": "c",
        "algorithm_failure_details": "d",
        "result_uri": "r",
        "sent_at": at_utc,
        "job_uid": "u",
    }


def test_the_next_whole_millisecond_is_not_before_a_time() -> None:
    second = LONG_AGO.replace(microsecond=0)
    for micros, millis in ((0, 0), (1, 1), (999, 1), (1000, 1), (1001, 2)):
        expected = second + timedelta(milliseconds=millis)
        assert millis_above(second + timedelta(microseconds=micros)) == expected
