"""How runs are shown."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from nexus_core.domain.checkpoint import RunSummary
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_scheduler.wire import present_checkpoint, present_summary, write_time
from support.runs import LONG_AGO, a_checkpoint


@pytest.mark.parametrize(
    ("time", "written"),
    [
        (None, "0001-01-01T00:00:00Z"),
        (datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), "2026-01-02T03:04:05.000678Z"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00.000000Z"),
        (
            datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=1))),
            "2026-01-01T23:00:00.000000Z",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times_are_in_utc_and_of_constant_length(time: datetime | None, written: str) -> None:
    assert write_time(time) == written


def test_a_checkpoint_of_which_little_is_known_shows_no_null() -> None:
    bare = a_checkpoint(applied_configuration=None, payload_uri="", content_hash="")
    shown = msgspec.to_builtins(present_checkpoint(bare))
    assert None not in shown.values()
    assert "applied_configuration" not in shown
    assert shown["payload_uri"] == ""
    assert shown["sent_at"] == "0001-01-01T00:00:00Z"


def test_a_run_in_a_list_leaves_out_what_is_not_known() -> None:
    run = RunSummary(
        key=RunKey("hello-world", "x"),
        stage=Stage.BUFFERED,
        tag="",
        received_at=LONG_AGO,
        sent_at=None,
        last_modified=LONG_AGO,
        cause="",
    )
    assert set(msgspec.to_builtins(present_summary(run))) == {
        "algorithmName",
        "requestId",
        "status",
        "receivedAt",
        "lastModified",
    }
