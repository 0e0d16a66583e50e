"""Time, so that tests can turn it."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> datetime:
        """Return the wall clock's time, aware, in UTC."""

    def monotonic(self) -> float:
        """Return seconds since some point; never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Wait; zero or less yields to other tasks once."""
