"""One page out of many sorted sources."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus_core.adapters.cassandra.merged_pages import Entry, Place, merged_page
from nexus_core.adapters.cassandra.open_runs import EARLIEST, LATEST
from support.runs import LONG_AGO


def an_entry(number: int) -> Entry:
    return Entry(LONG_AGO + timedelta(seconds=number // 3), f"run-{number:04}", "tsp")


async def from_list(
    entries: Sequence[Entry], after: Place, size: int, *, newest_first: bool
) -> list[Entry]:
    """A source as the tables are: at most so many after a place, in order."""
    in_order = sorted(set(entries), reverse=newest_first)
    left = [one for one in in_order if (one.place < after) == newest_first and one.place != after]
    return left[:size]


async def odd_ones(entries: Sequence[Entry]) -> list[str | None]:
    names = [entry.request_id for entry in entries]
    return [name if int(name[-1]) % 2 else None for name in names]


@pytest.mark.parametrize("newest_first", [True, False])
@given(
    sources=st.lists(st.lists(st.integers(0, 400), max_size=200), max_size=4),
    limit=st.integers(1, 90),
)
async def test_a_page_holds_the_first_of_all_sources_each_once(
    sources: list[list[int]],
    limit: int,
    newest_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    lists = [
        partial(from_list, list(map(an_entry, numbers)), newest_first=newest_first)
        for numbers in sources
    ]
    start = Place(LATEST if newest_first else EARLIEST, "")

    page = await merged_page(lists, start, limit, odd_ones, newest_first=newest_first)

    wanted = {an_entry(number) for numbers in sources for number in numbers if number % 2}
    expected = [entry.request_id for entry in sorted(wanted, reverse=newest_first)]
    assert page == expected[:limit]


async def test_no_more_is_looked_at_than_the_page_needs() -> None:
    looked_at = 0

    async def resolve(entries: Sequence[Entry]) -> list[Entry | None]:
        nonlocal looked_at
        looked_at += len(entries)
        return list(entries)

    source = partial(from_list, list(map(an_entry, range(300))), newest_first=False)

    page = await merged_page([source] * 3, Place(EARLIEST, ""), 10, resolve, newest_first=False)

    assert len(page) == looked_at == 10
