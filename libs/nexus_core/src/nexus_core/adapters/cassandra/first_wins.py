"""Write timestamps that decide who wins when a run is written twice."""

from datetime import UTC, datetime, timedelta

from nexus_core.ports.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class FirstWins:
    """Gives the timestamps under which a run is first written: negative, each below the last.

    In Cassandra the write with the greater timestamp wins, whatever came later. Lightweight
    transactions take theirs from the clock, so every one of them, past or to come, beats a negative
    one: a first write that arrives late, or is repeated, or comes from a host whose clock is wrong,
    undoes nothing. Among first writes of one run the earliest has the greatest timestamp, so that
    accepting again changes nothing.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """Return microseconds since 1970, negated, and less than any returned before."""
        now = (self._clock.now() - _EPOCH) // _MICROSECOND
        self._last = min(self._last - 1, -now)
        return self._last
