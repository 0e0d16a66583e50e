"""Telling the scheduler that owns a run that it has finished."""

from typing import Protocol

from nexus_core.domain.names import RunKey


class SchedulerCallback(Protocol):
    """Makes whoever waits for a result hear of it at once."""

    def finished(self, key: RunKey) -> None:
        """Tell the owner of a run, in the background, that the run has reached a finished stage.

        Returns at once and never fails: what can't be told is found in the store by who waits.
        """
