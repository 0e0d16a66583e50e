"""How long to wait before trying again."""

import random


class Backoff:
    """Delays that double from `base` to `maximum` seconds, each shortened by up to half at random.

    The jitter keeps many that failed together from coming back together.
    """

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
        return delay * (0.5 + self._random() / 2)

    def reset(self) -> None:
        """Begin again at `base`: something went well."""
        self._failures = 0
