"""Which parts of open runs are dropped, moved on, or left alone."""

from datetime import timedelta
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.moves import Reading, moves
from nexus_core.adapters.cassandra.open_parts import Part
from support.runs import LONG_AGO

_names = count()


def a_part(owner: str = "scheduler-0", minutes_old: float = 1, cluster: str = "east") -> Part:
    slot = LONG_AGO - timedelta(minutes=minutes_old)
    return Part(cluster, slot, owner, f"part-{next(_names):06}")


def a_reading(filed: int, still_open: int, **part: Any) -> Reading:
    runs = tuple(Entry(LONG_AGO, f"run-{next(_names):06}", "tsp") for _ in range(still_open))
    return Reading(a_part(**part), filed, runs)


def test_a_part_in_which_nothing_is_open_is_dropped() -> None:
    reading = a_reading(10, 0)
    (move,) = moves([reading], LONG_AGO)
    assert (move.runs, move.sources) == ((), (reading.part,))


def test_a_part_of_which_most_has_finished_is_moved_on() -> None:
    reading = a_reading(10, 5)
    (move,) = moves([reading], LONG_AGO)
    assert (move.runs, move.sources) == (reading.open, (reading.part,))


def test_a_part_that_is_mostly_open_is_left_alone() -> None:
    assert moves([a_reading(10, 6)], LONG_AGO) == []


def test_a_part_of_an_old_slot_is_moved_on_though_all_of_it_is_open() -> None:
    (move,) = moves([a_reading(10, 10, minutes_old=61)], LONG_AGO)
    assert len(move.runs) == 10


def test_seven_small_parts_are_left_alone_and_eight_become_one() -> None:
    seven = [a_reading(1, 1) for _ in range(7)]
    assert moves(seven, LONG_AGO) == []
    (move,) = moves([*seven, a_reading(1, 1)], LONG_AGO)
    assert len(move.runs) == len(move.sources) == 8


def test_a_large_part_is_not_written_anew_for_some_small_ones() -> None:
    large = a_reading(4000, 4000)
    (move,) = moves([large, *(a_reading(1, 1) for _ in range(8))], LONG_AGO)
    assert large.part not in move.sources


def test_owners_and_clusters_are_kept_apart() -> None:
    readings = [a_reading(2, 1, owner=owner) for owner in ("a", "b")]
    readings.append(a_reading(2, 1, owner="a", cluster="west"))
    found = {(move.cluster, move.owner, len(move.runs)) for move in moves(readings, LONG_AGO)}
    assert found == {("east", "a", 1), ("east", "b", 1), ("west", "a", 1)}


def test_a_run_that_was_filed_twice_is_moved_once() -> None:
    one = a_reading(2, 1)
    again = Reading(a_part(), 2, one.open)
    (move,) = moves([one, again], LONG_AGO)
    assert move.runs == one.open


@given(st.lists(st.tuples(st.integers(0, 6000), st.floats(0, 1), st.integers(0, 120)), max_size=12))
def test_no_open_run_is_lost_and_no_part_outgrows_its_size(
    parts: list[tuple[int, float, int]],
) -> None:
    readings = [
        a_reading(min(filed, 5000), int(min(filed, 5000) * share), minutes_old=age)
        for filed, share, age in parts
    ]
    found = moves(readings, LONG_AGO)
    by_part = {reading.part: reading for reading in readings}
    dropped = [part for move in found for part in move.sources]
    assert len(dropped) == len(set(dropped))
    for move in found:
        kept = {run for part in move.sources for run in by_part[part].open}
        assert set(move.runs) == kept
        assert len(move.runs) <= 5000
