"""What a supervisor remembers of the runs of one cluster from one look to the next."""

from collections import OrderedDict
from datetime import datetime
from typing import Generic, TypeVar

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobStatus, PodStatus, Trouble
from nexus_core.domain.troubles import Family, family_of

K = TypeVar("K")
V = TypeVar("V")

# Of each kind. Pods in trouble are settled within minutes; Jobs that went by themselves are those
# of some minutes, on a cluster that ends hundreds a second.
_REMEMBERED = 20_000


class _Bounded(OrderedDict[K, V], Generic[K, V]):
    """Forgets what was put longest ago."""

    def put(self, key: K, value: V) -> None:
        self[key] = value
        self.move_to_end(key)
        if len(self) > _REMEMBERED:
            self.popitem(last=False)


class RunMemory:
    """Since when pods are in trouble, how Jobs were that are gone, and which runs run.

    Nothing here is the truth. After a restart, or when there is too much of it, what is forgotten
    makes for more patience, a cause that says less, and a needless look into the store.
    """

    def __init__(self) -> None:
        self._troubles: _Bounded[str, tuple[Family, datetime]] = _Bounded()
        self._gone: _Bounded[RunKey, JobStatus] = _Bounded()
        self._running: _Bounded[RunKey, str] = _Bounded()

    def saw(self, status: JobStatus, now: datetime) -> JobStatus:
        """Take up a status; return it with the beginnings of the troubles that it can't date."""
        if status.deleted_at is not None:
            # The last try says all that there is to say of a Job that is gone.
            self._gone.put(status.key, msgspec.structs.replace(status, pods=status.pods[-1:]))
        elif (gone := self._gone.get(status.key)) is not None and gone.uid == status.uid:
            # A cluster that had listed less than it has may list it again.
            del self._gone[status.key]
        pods = tuple(self._dated(pod, now) for pod in status.pods)
        return status if pods == status.pods else msgspec.structs.replace(status, pods=pods)

    def last_of(self, key: RunKey) -> JobStatus | None:
        """Return how a run's Job was when it went; None when nobody saw it go."""
        return self._gone.get(key)

    def note_running(self, key: RunKey, job_uid: str) -> None:
        """Remember that the store knows of a run's Job."""
        self._running.put(key, job_uid)

    def is_known_to_run(self, status: JobStatus) -> bool:
        """Tell whether the store is known to know of this very Job."""
        return self._running.get(status.key) == status.uid

    def _dated(self, pod: PodStatus, now: datetime) -> PodStatus:
        waiting = pod.waiting
        if waiting is None:
            self._troubles.pop(pod.uid, None)
            return pod
        family = family_of(waiting.reason)
        if family is None:
            return pod
        known, since = self._troubles.get(pod.uid, (family, now))
        if known is not family:
            since = now
        if waiting.since is not None:
            # Of an event, which may have been heard late, or have expired and come anew.
            since = min(since, waiting.since)
        self._troubles.put(pod.uid, (family, since))
        dated = Trouble(reason=waiting.reason, message=waiting.message, since=since)
        return msgspec.structs.replace(pod, waiting=dated)
