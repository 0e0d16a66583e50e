"""What can be set about the process cluster."""

import os
from datetime import timedelta

import msgspec


class ProcessClusterSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How Jobs share this machine."""

    max_pods: int = msgspec.field(default_factory=lambda: max(8, 2 * (os.cpu_count() or 1)))
    """How many pods run at once, at least 1; the others wait in the order of their Jobs' creation.

    Default: two a core, eight at least. A run that waits for runs it started keeps its place while
    they need one: with fewer places than such runs at once, all wait until a deadline.
    """
    back_off_base: timedelta = timedelta(seconds=1)
    """Wait before the second try of a Job; doubles with each further one.

    Kubernetes waits 10 s, to spare the image registry and the scheduler. There is neither here.
    """
    back_off_cap: timedelta = timedelta(seconds=60)
    """The longest wait between two tries. Kubernetes: six minutes, for the same reasons."""
    kill_grace: timedelta = timedelta(seconds=2)
    """Between SIGTERM and SIGKILL. Short: whoever cancels a run waits for it."""
    memory_sample: timedelta = timedelta(milliseconds=100)
    """How often the memory of limited pods is looked at, while there are any.

    Memory is filled at about 1 GB a second, so a pod may overshoot its limit by 100 MB; one look
    costs about half a millisecond of one core.
    """
    feed_backlog: int = 4096
    """How many observations a slow follower may be behind before it is told everything again."""
