"""How fast a server is called that may refuse: less after each refusal, slowly more again."""

import math
from collections.abc import Sequence

from nexus_core.aio.backoff import Backoff
from nexus_core.aio.circuit import Circuit
from nexus_core.aio.token_bucket import TokenBucket
from nexus_core.ports.clock import Clock

# After a refusal; half is what TCP takes, and what finds any limit in a few steps.
_DECREASE = 0.5
# Of the ceiling, each second: from half of it, the ceiling is tried again after ten seconds. Much
# faster would run into the same limit again and again, much slower would waste a recovered server.
_INCREASE = 0.05
# Of the ceiling: one that keeps refusing is still asked, so that it is noticed when it recovers.
_FLOOR = 0.01
# Of the ceiling: after an outage, when many come back at once and the server is cold.
_FIRST_RATE = 0.1


class Throttle:
    """Lets callers through at a rate that is at most the ceiling, and closes for a while.

    Additive increase, multiplicative decrease: many who call the same server by this rule come to
    share what it can take, though none of them knows the others.

    How fast is its question; whether at all is that of the circuits, and while one of them is open
    nobody is let through. After that it begins slowly.
    """

    def __init__(
        self,
        ceiling: float,
        burst: int,
        backoff: Backoff,
        clock: Clock,
        circuits: Sequence[Circuit] = (),
    ) -> None:
        """Begin at the ceiling.

        Args:
            ceiling: calls a second while nothing refuses.
            burst: calls at once after a quiet time, while nothing refuses.
            backoff: how long it closes after a refusal that does not say.
            clock: measures both.
            circuits: of all parts that a call needs.
        """
        self._ceiling = ceiling
        self._burst = burst
        self._backoff = backoff
        self._clock = clock
        self._circuits = circuits
        self._outages = 0
        self._rate = ceiling
        self._bucket = TokenBucket(ceiling, burst, clock)
        self._closed_until = clock.monotonic()

    @property
    def rate(self) -> float:
        """Calls a second that are let through now."""
        return self._rate

    @property
    def is_open(self) -> bool:
        """Whether no refusal is being waited out, and no part is known to be away."""
        is_waiting = self._clock.monotonic() < self._closed_until
        return not is_waiting and all(circuit.is_closed for circuit in self._circuits)

    async def take(self) -> None:
        """Wait for a turn at the rate, however long it is closed meanwhile."""
        await self._bucket.take()
        while not self.is_open:
            for circuit in self._circuits:
                await circuit.closed()
            await self._clock.sleep(self._closed_until - self._clock.monotonic())
        self._heed_outages()

    async def try_take(self) -> bool:
        """Wait for a turn at the rate; False when it is closed, and nothing may be called."""
        if not self.is_open:
            return False
        self._heed_outages()
        await self._bucket.take()
        return self.is_open

    def succeeded(self) -> None:
        """Go a little faster, up to the ceiling: a call went well."""
        self._backoff.reset()
        if self._rate < self._ceiling:
            # Of a second's worth of calls, each adds its share of what a second adds.
            share = self._ceiling * _INCREASE / self._rate
            self._set_rate(min(self._ceiling, self._rate + share))

    def refused(self, retry_after: float | None = None) -> float:
        """Go slower, and close for a while; return for how many seconds.

        Calls that were under way at the first refusal and are refused, too, say nothing new: they
        are no reason to go slower still.

        Args:
            retry_after: seconds that the server asked for, None when it did not.
        """
        if self.is_open:
            self._set_rate(max(self._ceiling * _FLOOR, self._rate * _DECREASE))
            self._bucket.empty()
        delay = max(self._backoff.next(), retry_after or 0.0)
        self._closed_until = max(self._closed_until, self._clock.monotonic() + delay)
        return delay

    def _heed_outages(self) -> None:
        """Begin slowly if there was an outage since anybody was let through."""
        outages = sum(circuit.openings for circuit in self._circuits)
        if outages != self._outages:
            self._outages = outages
            self._set_rate(min(self._rate, self._ceiling * _FIRST_RATE))
            self._bucket.empty()

    def _set_rate(self, rate: float) -> None:
        self._rate = rate
        burst = math.ceil(self._burst * rate / self._ceiling)
        self._bucket.adjust(rate, burst)
