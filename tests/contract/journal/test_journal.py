"""What `ports.journal` promises, sentence by sentence."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import TypeVar

import pytest
from msgspec.structs import replace

from nexus_core.domain.journal import LaneSample, LaneState, LogTail, RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.ports.journal import Journal
from support.clock import ManualClock
from support.runs import LONG_AGO, a_checkpoint

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

numbers = count()


T = TypeVar("T")


def shuffled(things: Sequence[T]) -> list[T]:
    """The same in another order, which is no order."""
    return [*things[1::3], *things[2::3], *things[0::3]]


def a_key() -> RunKey:
    return a_checkpoint().key


def an_event(
    key: RunKey,
    at: datetime = LONG_AGO,
    kind: RunEventKind = RunEventKind.STARTED,
    subject: str = "pod-1",
) -> RunEvent:
    return RunEvent(
        key=key, at=at, kind=kind, subject=subject, reason="Because", message="It was so."
    )


# Events.


async def test_an_event_is_found_as_it_was_recorded(journal: Journal) -> None:
    event = an_event(a_key())

    await journal.record([event])

    assert list(await journal.events(event.key)) == [event]


async def test_an_event_may_tell_nothing_but_its_kind(journal: Journal) -> None:
    event = RunEvent(key=a_key(), at=LONG_AGO, kind=RunEventKind.JOB_DELETED)

    await journal.record([event])

    assert list(await journal.events(event.key)) == [event]


async def test_a_run_without_events_has_none(journal: Journal) -> None:
    await journal.record([an_event(a_key())])

    assert list(await journal.events(a_key())) == []


async def test_recording_nothing_is_harmless(journal: Journal) -> None:
    await journal.record([])


async def test_every_kind_of_event_can_be_kept(journal: Journal) -> None:
    key = a_key()
    events = [
        an_event(key, LONG_AGO + number * SECOND, kind) for number, kind in enumerate(RunEventKind)
    ]

    await journal.record(events)

    assert list(await journal.events(key)) == events


async def test_events_come_oldest_first_however_they_were_recorded(journal: Journal) -> None:
    key = a_key()
    events = [an_event(key, LONG_AGO + number * SECOND) for number in range(50)]
    first, *others = shuffled(events)

    await journal.record(others)
    await journal.record([first])

    assert list(await journal.events(key)) == events


async def test_events_of_many_runs_are_recorded_together(journal: Journal) -> None:
    keys = [a_key() for _ in range(40)]
    events = [an_event(key, LONG_AGO + number * SECOND) for number in range(10) for key in keys]

    await journal.record(events)

    for key in keys:
        assert list(await journal.events(key)) == [event for event in events if event.key == key]


async def test_the_same_event_replaces_itself(journal: Journal) -> None:
    event = an_event(a_key())
    told_better = replace(event, message="Somebody found out more.", reason="Known")
    await journal.record([event, event])
    await journal.record([event])

    await journal.record([told_better])

    assert list(await journal.events(event.key)) == [told_better]


async def test_time_kind_and_subject_tell_events_apart(journal: Journal) -> None:
    event = an_event(a_key())
    others = [
        replace(event, at=event.at + MILLISECOND),
        replace(event, kind=RunEventKind.ENDED),
        replace(event, subject="pod-2"),
        replace(event, subject=""),
    ]

    await journal.record([event, *others])

    assert {*await journal.events(event.key)} == {event, *others}


async def test_events_are_kept_to_the_millisecond(journal: Journal) -> None:
    at = LONG_AGO.replace(microsecond=123_000)
    event = an_event(a_key(), at + 456 * MICROSECOND)
    again = replace(event, at=at + 789 * MICROSECOND)

    await journal.record([event])
    await journal.record([again])

    assert list(await journal.events(event.key)) == [replace(event, at=at)]


async def test_words_of_an_event_may_be_long_and_of_any_script(journal: Journal) -> None:
    words = "Gedächtnis 記憶 🧠\n\t\0 'quoted' — " * 200
    events = [replace(an_event(a_key()), message=words, reason=words)]
    events += [an_event(events[0].key, LONG_AGO + number * SECOND) for number in range(1, 20)]
    events = [replace(event, message=words) for event in events]

    await journal.record(events)

    assert list(await journal.events(events[0].key)) == events


# The ends of logs.


def a_tail(text: str = "almost done\ndone\n") -> LogTail:
    return LogTail(text=text, at=LONG_AGO, pod="pod-1", truncated=True)


async def test_the_end_of_a_log_is_found_as_it_was_kept(journal: Journal) -> None:
    key = a_key()

    await journal.keep_log(key, a_tail())

    assert await journal.kept_log(key) == a_tail()


async def test_of_a_run_that_printed_nothing_that_is_kept(journal: Journal) -> None:
    key, tail = a_key(), LogTail(text="", at=LONG_AGO)

    await journal.keep_log(key, tail)

    assert await journal.kept_log(key) == tail


async def test_nothing_was_kept_of_other_runs(journal: Journal) -> None:
    await journal.keep_log(a_key(), a_tail())

    assert await journal.kept_log(a_key()) is None


async def test_a_later_end_of_a_log_replaces_the_earlier_one(journal: Journal) -> None:
    key = a_key()
    await journal.keep_log(key, a_tail())
    later = LogTail(text="again\n", at=LONG_AGO + HOUR, pod="pod-2", truncated=False)

    await journal.keep_log(key, later)
    await journal.keep_log(key, later)

    assert await journal.kept_log(key) == later


@pytest.mark.parametrize(
    "line", ["a line of the log\n", "Zeile für Zeile 一行 🧮\n", "\0\x1b[0m\n"]
)
async def test_the_end_of_a_log_may_be_large(journal: Journal, line: str) -> None:
    key = a_key()
    tail = a_tail(line * (64 * 1024 // len(line.encode())))

    await journal.keep_log(key, tail)

    assert await journal.kept_log(key) == tail


async def test_the_time_of_a_log_is_kept_to_the_millisecond(journal: Journal) -> None:
    key, at = a_key(), LONG_AGO.replace(microsecond=123_000)

    await journal.keep_log(key, replace(a_tail(), at=at + 999 * MICROSECOND))

    assert await journal.kept_log(key) == replace(a_tail(), at=at)


# Samples of lanes.


@pytest.fixture
def owner() -> str:
    return f"scheduler-{next(numbers)}"


def a_sample(owner: str, at: datetime = LONG_AGO, cluster: str = "cluster") -> LaneSample:
    return LaneSample(
        owner=owner,
        cluster=cluster,
        at=at,
        state=LaneState.REFUSED,
        depth=3,
        rate=12.5,
        oldest_received_at=LONG_AGO - HOUR,
        reason="too many requests",
    )


async def lane(
    journal: Journal,
    owner: str,
    since: datetime = LONG_AGO - DAY,
    until: datetime = LONG_AGO + DAY,
    limit: int = 1000,
) -> list[LaneSample]:
    return list(await journal.lane(owner, "cluster", since, until, limit))


async def test_a_sample_is_found_as_it_was_recorded(journal: Journal, owner: str) -> None:
    await journal.record_lane(a_sample(owner))

    assert await lane(journal, owner) == [a_sample(owner)]


async def test_a_sample_may_be_of_a_lane_that_is_open(journal: Journal, owner: str) -> None:
    sample = LaneSample(
        owner=owner, cluster="cluster", at=LONG_AGO, state=LaneState.OPEN, depth=0, rate=0.1
    )

    await journal.record_lane(sample)

    assert await lane(journal, owner) == [sample]


async def test_a_sample_of_the_same_lane_and_time_replaces_the_earlier_one(
    journal: Journal, owner: str
) -> None:
    await journal.record_lane(a_sample(owner))
    again = replace(a_sample(owner), depth=7, state=LaneState.OPEN, reason="")

    await journal.record_lane(again)
    await journal.record_lane(again)

    assert await lane(journal, owner) == [again]


async def test_lanes_are_told_apart_by_owner_and_cluster(journal: Journal, owner: str) -> None:
    await journal.record_lane(a_sample(f"{owner}-other"))
    await journal.record_lane(a_sample(owner, cluster="another"))

    assert await lane(journal, owner) == []


async def test_both_bounds_of_a_time_are_inclusive(journal: Journal, owner: str) -> None:
    samples = [a_sample(owner, LONG_AGO + number * MILLISECOND) for number in range(5)]
    for sample in samples:
        await journal.record_lane(sample)

    assert await lane(journal, owner, samples[1].at, samples[3].at) == samples[1:4]
    assert await lane(journal, owner, samples[2].at, samples[2].at) == samples[2:3]
    assert await lane(journal, owner, samples[3].at, samples[1].at) == []


async def test_samples_are_kept_to_the_millisecond(journal: Journal, owner: str) -> None:
    at = LONG_AGO.replace(microsecond=123_000)
    exact = at + 456 * MICROSECOND
    await journal.record_lane(replace(a_sample(owner, exact), oldest_received_at=exact))

    kept = replace(a_sample(owner, at), oldest_received_at=at)
    # Asked for by the time that it was recorded with, it is there, too.
    assert await lane(journal, owner, exact, exact) == [kept]


async def test_samples_come_oldest_first_and_at_most_as_many_as_asked_for(
    journal: Journal, owner: str
) -> None:
    # Over several days, at any time of the day.
    samples = [a_sample(owner, LONG_AGO + number * 5 * HOUR) for number in range(30)]
    for sample in shuffled(samples):
        await journal.record_lane(sample)
    since, until = samples[0].at, samples[-1].at

    assert await lane(journal, owner, since, until) == samples
    assert await lane(journal, owner, since, until, 12) == samples[:12]
    assert await lane(journal, owner, samples[10].at, until, 12) == samples[10:22]
    assert await lane(journal, owner, since, until, 0) == []


async def test_a_long_time_before_may_be_asked_for(
    journal: Journal, owner: str, clock: ManualClock
) -> None:
    await journal.record_lane(a_sample(owner, clock.now()))

    assert await lane(journal, owner, clock.now() - 3000 * DAY, clock.now()) == [
        a_sample(owner, clock.now())
    ]
