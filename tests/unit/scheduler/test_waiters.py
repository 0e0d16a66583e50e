"""Who waits for which run."""

from nexus_core.domain.names import RunKey
from nexus_scheduler.waiters import Waiters

KEY = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001")
OTHER = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000002")


def test_all_who_wait_for_a_run_are_woken_and_nobody_else() -> None:
    waiters = Waiters()
    with waiters.waiting(KEY) as one, waiters.waiting(KEY) as two, waiters.waiting(OTHER) as other:
        waiters.finished(KEY)
        assert [event.is_set() for event in (one, two, other)] == [True, True, False]


def test_who_has_gone_is_forgotten() -> None:
    waiters = Waiters()
    with waiters.waiting(KEY), waiters.waiting(OTHER):
        with waiters.waiting(KEY):
            assert len(waiters) == 3
        assert len(waiters) == 2
    assert len(waiters) == 0
    waiters.finished(KEY)
    with waiters.waiting(KEY) as event:
        # What happened before is for the store to tell.
        assert not event.is_set()


def test_closing_wakes_everybody() -> None:
    waiters = Waiters()
    with waiters.waiting(KEY) as one, waiters.waiting(OTHER) as other:
        waiters.close()
        assert one.is_set()
        assert other.is_set()
    assert waiters.closed
