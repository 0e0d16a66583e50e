"""The port `SchedulerCallback` where schedulers can't be called."""

from nexus_core.domain.names import RunKey


class MuteSchedulerCallback:
    """Tells nobody; whoever waits for a result finds it in the store a little later."""

    def finished(self, key: RunKey) -> None:
        """Do nothing."""
