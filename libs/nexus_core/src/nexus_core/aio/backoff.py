"""How long to wait before trying again."""

import random
from collections.abc import Callable


def shortened(pause: float, share: Callable[[], float] = random.random) -> float:
    """Return a pause shortened by up to half at random.

    So those who failed together, as all do whose store is away, don't come back together.
    """
    return pause * (0.5 + share() / 2)


class Backoff:
    """Delays that double from `base` to `maximum` seconds, each `shortened` at random."""

    def __init__(self, base: float, maximum: float, rng: random.Random | None = None) -> None:
        self._base = base
        self._maximum = maximum
        # Not a source of its own: seeding one takes longer than most of what is tried again.
        self._random = rng.random if rng else random.random
        self._failures = 0

    def next(self) -> float:
        """Return the next delay, in seconds."""
        # The exponent is bounded, or a long outage would end in an overflow.
        delay = min(self._maximum, self._base * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return shortened(delay, self._random)

    def reset(self) -> None:
        """Begin again at `base`: something went well."""
        self._failures = 0
