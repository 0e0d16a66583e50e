"""A rate limit: so many a second, so many at once."""

from nexus_core.ports.clock import Clock


class TokenBucket:
    """Grants `rate` tokens a second; up to `burst` pile up while nobody asks.

    Takers are served in the order in which they come, since each books its own time at once.
    """

    def __init__(self, rate: float, burst: int, clock: Clock) -> None:
        self.adjust(rate, burst)
        self._clock = clock
        # The time at which the bucket is full again, were nobody to ask: a bucket in one number.
        self._booked_until = clock.monotonic() - self._slack

    def adjust(self, rate: float, burst: int) -> None:
        """Grant more or fewer tokens from now on; who waits already keeps its time."""
        self._interval = 1.0 / rate
        self._slack = (burst - 1) * self._interval

    def empty(self) -> None:
        """Drop the tokens that have piled up."""
        self._booked_until = max(self._booked_until, self._clock.monotonic())

    async def take(self) -> None:
        """Wait for a token. One that is cancelled while waiting leaves its token unused."""
        now = self._clock.monotonic()
        turn = max(self._booked_until, now - self._slack)
        self._booked_until = turn + self._interval
        if turn > now:
            await self._clock.sleep(turn - now)
