"""Domain values survive being rows."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.adapters.sqlite.rows import checkpoint_of, checkpoint_row, instant, micros
from nexus_core.domain.errors import UnavailableError
from support.runs import a_checkpoint

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones))  # noqa: DTZ001 - the strategy adds the zone
def test_a_time_keeps_every_microsecond(time: datetime) -> None:
    assert instant(micros(time)) == time


def test_times_keep_their_order_as_numbers() -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert micros(epoch) == 0
    assert micros(epoch - timedelta(microseconds=1)) == -1
    assert micros(epoch + timedelta(days=1)) == 86_400_000_000


@pytest.mark.parametrize(
    ("column", "content"),
    [(2, "UNHEARD_OF"), (10, '{"container": 1}'), (10, "{"), (11, '{"container": []}')],
)
def test_a_row_that_nobody_can_read_names_its_run(column: int, content: str) -> None:
    run = a_checkpoint()
    row = list(checkpoint_row(run, "standalone"))
    row[column] = content

    with pytest.raises(UnavailableError, match=str(run.key)):
        checkpoint_of(tuple(row))
