import random

from nexus_core.aio.backoff import Backoff


def test_delays_double_up_to_the_maximum_and_are_never_longer() -> None:
    backoff = Backoff(0.1, 1.0, random.Random(1))  # noqa: S311 - seeded on purpose
    full = [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    for limit in full:
        assert limit / 2 <= backoff.next() <= limit


def test_a_long_outage_does_not_overflow() -> None:
    backoff = Backoff(0.1, 1.0)
    for _ in range(5000):
        assert backoff.next() <= 1.0


def test_after_a_success_it_begins_again() -> None:
    backoff = Backoff(0.1, 100.0)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.next() <= 0.1
