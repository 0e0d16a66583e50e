"""When what is kept of finished runs has had its time."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from nexus_core.domain.retirement import EndingPlace, Kept, RetentionTimes, Standing

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TIMES = RetentionTimes(buffered_jobs=DAY, payloads=7 * DAY, results=20 * DAY, records=30 * DAY)
NEVER = RetentionTimes(buffered_jobs=None, payloads=None, results=None, records=None)
ALL = frozenset(Kept)
CONTENT = {Kept.PAYLOAD, Kept.RESULT}


def ago(days: float) -> EndingPlace:
    return EndingPlace(NOW - days * DAY)


def standing(**changes: object) -> Standing:
    """One whose removal of everything is as far as it may be."""
    places = {Kept.JOB: ago(1), Kept.PAYLOAD: ago(7), Kept.RESULT: ago(20), Kept.RECORD: ago(30)}
    return replace(Standing(times=TIMES, places=places, within_reach=ALL), **changes)


@pytest.mark.parametrize(("kept", "days"), list(zip(Kept, (1, 7, 20, 30), strict=True)))
def test_each_kind_goes_after_its_own_time(kept: Kept, days: int) -> None:
    assert standing().removable_before(kept, NOW) == NOW - days * DAY


@pytest.mark.parametrize("kept", Kept)
def test_what_is_kept_for_good_never_goes(kept: Kept) -> None:
    assert standing(times=NEVER).removable_before(kept, NOW) is None


def test_kinds_go_in_the_order_in_which_they_need_each_other() -> None:
    assert TIMES.removed == [Kept.JOB, Kept.PAYLOAD, Kept.RESULT, Kept.RECORD]
    assert replace(TIMES, payloads=None).removed == [Kept.JOB, Kept.RESULT, Kept.RECORD]


@pytest.mark.parametrize("kept", [Kept.JOB, *sorted(CONTENT)])
def test_a_record_waits_for_all_else_of_its_run(kept: Kept) -> None:
    places = {**standing().places, kept: ago(44)}

    assert standing(places=places).removable_before(Kept.RECORD, NOW) == NOW - 44 * DAY


@pytest.mark.parametrize("kept", [Kept.JOB, *sorted(CONTENT)])
def test_a_record_waits_for_what_has_not_begun(kept: Kept) -> None:
    places = {other: place for other, place in standing().places.items() if other is not kept}

    assert standing(places=places).removable_before(Kept.RECORD, NOW) is None
    assert standing(places=places).done_before(NOW) is None


def test_a_record_does_not_wait_for_what_is_kept_for_good() -> None:
    times = RetentionTimes(buffered_jobs=None, payloads=None, results=None, records=30 * DAY)

    found = Standing(times=times, places={}, within_reach=ALL).removable_before(Kept.RECORD, NOW)
    assert found == NOW - 30 * DAY


def test_what_is_out_of_reach_is_left_to_others() -> None:
    without_payload_store = standing(within_reach=ALL - CONTENT)

    assert without_payload_store.removable_before(Kept.PAYLOAD, NOW) is None
    assert without_payload_store.removable_before(Kept.JOB, NOW) == NOW - DAY


def test_a_record_waits_for_what_only_others_reach() -> None:
    places = {**standing().places, Kept.PAYLOAD: ago(33)}
    found = standing(within_reach=ALL - CONTENT, places=places)

    assert found.removable_before(Kept.RECORD, NOW) == NOW - 33 * DAY


def test_a_record_does_not_wait_for_what_nobody_reaches() -> None:
    places = {Kept.JOB: ago(1)}
    found = standing(within_reach=ALL - CONTENT, places=places)

    assert found.removable_before(Kept.RECORD, NOW) == NOW - 30 * DAY


@pytest.mark.parametrize(("expiry", "ours"), [(29, False), (30, False), (31, True), (None, True)])
def test_what_the_store_drops_in_time_is_not_removed(expiry: int | None, ours: bool) -> None:  # noqa: FBT001 - a case
    found = standing(expiry=None if expiry is None else expiry * DAY)

    assert (found.removable_before(Kept.RECORD, NOW) is not None) is ours


@pytest.mark.parametrize(
    ("changes", "days"),
    [
        ({}, 30),
        ({"expiry": 30 * DAY}, 20),
        ({"times": replace(TIMES, records=None)}, 20),
        ({"times": replace(TIMES, records=None, results=None)}, 7),
        ({"times": NEVER}, 0),
    ],
)
def test_a_run_is_done_with_when_nothing_is_left_to_remove(
    changes: dict[str, object], days: int
) -> None:
    assert standing(**changes).done_before(NOW) == NOW - days * DAY


@pytest.mark.parametrize("kept", ["buffered_jobs", "payloads", "results"])
def test_what_outlives_its_record_is_named(kept: str) -> None:
    assert TIMES.outlives_its_record() is None
    assert replace(TIMES, **{kept: 30 * DAY}).outlives_its_record() is None
    longer = replace(TIMES, **{kept: 31 * DAY}).outlives_its_record()
    assert longer is not None
    assert longer.value == kept.replace("_", "-")


def test_nothing_outlives_a_record_that_is_kept_for_good() -> None:
    assert replace(TIMES, records=None).outlives_its_record() is None
