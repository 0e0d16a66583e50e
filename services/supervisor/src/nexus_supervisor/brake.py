"""Not believing at once that most Jobs of a cluster are gone."""

from collections.abc import Sequence
from typing import TypeVar

import structlog

from nexus_core.domain.sweep import Thresholds, is_mass_loss
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

T = TypeVar("T")


class Brake:
    """Holds runs without a Job back while there are suspiciously many of them.

    A namespace that was named wrongly, a kubeconfig of another cluster, or a cluster that was set
    up anew lists no Jobs; failing all runs for that could not be undone. When it lasts, it is so.
    """

    def __init__(self, cluster: str, thresholds: Thresholds, clock: Clock) -> None:
        self._cluster = cluster
        self._grace = thresholds.mass_loss_grace.total_seconds()
        self._clock = clock
        self._since: float | None = None

    def let_through(self, lost: Sequence[T], found: int) -> Sequence[T]:
        """Return what of all that is to be done about runs without a Job may be done now.

        `found` is how many open runs have theirs.
        """
        if not is_mass_loss(len(lost), found):
            if self._since is not None:
                log.info("jobs are listed again", cluster=self._cluster, missing=len(lost))
            self._since = None
            return lost
        now = self._clock.monotonic()
        if self._since is None:
            self._since = now
            log.error(
                "most jobs are missing",
                cluster=self._cluster,
                missing=len(lost),
                found=found,
                given_up_in=self._grace,
            )
        return lost if now - self._since >= self._grace else ()
