"""Saying a trouble once, though it is met again and again."""

from nexus_core.ports.clock import Clock

# A trouble that lasts is said again this often, in seconds: for who looks at the last lines only.
_REMIND_SECONDS = 300.0


class News:
    """Tells what is news from what was said already, for one place that tries again and again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._trouble = ""
        self._said_at = 0.0

    def is_new(self, trouble: str) -> bool:
        """Tell whether to log a trouble: another than before, or the same after five minutes."""
        now = self._clock.monotonic()
        if trouble == self._trouble and now - self._said_at < _REMIND_SECONDS:
            return False
        self._trouble, self._said_at = trouble, now
        return True

    def is_over(self) -> bool:
        """Forget the trouble, for all is well; tell whether there was one."""
        trouble, self._trouble = self._trouble, ""
        return bool(trouble)
