"""CPU time by component: what the system says of the processes of each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.real.ground import Ground

LOAD = "load"
CONTROLLERS = "controllers"

_PARTS_OF_KUBERNETES = {"kube-apiserver": "API server", "etcd": "etcd"}

Times = Mapping[str, float]
"""Seconds of CPU time, of all threads, by component."""


class Components:
    """The components and their processes."""

    def __init__(self, ground: Ground) -> None:
        self._processes: dict[str, list[psutil.Process]] = {LOAD: [psutil.Process()]}
        self._add("Cassandra", ground.cassandra.pid)
        self._add("S3", ground.s3.pid)
        for pid in ground.kubernetes.pids:
            name = psutil.Process(pid).name()
            self._add(_PARTS_OF_KUBERNETES.get(name, CONTROLLERS), pid)

    def _add(self, name: str, pid: int) -> None:
        # Servers that somebody else started are described without theirs.
        if pid:
            self._processes.setdefault(name, []).append(psutil.Process(pid))

    @contextmanager
    def counting(self, name: str, pid: int) -> Iterator[None]:
        """Count a service, too, while the block runs."""
        self._processes[name] = [psutil.Process(pid)]
        try:
            yield
        finally:
            del self._processes[name]

    def times(self) -> Times:
        """Return what each has used so far."""
        return {name: sum(map(_seconds, them)) for name, them in self._processes.items()}


class Machine:
    """How busy the machine is with all that is no component."""

    def __init__(self) -> None:
        self._before = psutil.cpu_times()

    def share_of_others(self, used: Sequence[float], seconds: float) -> float:
        """Return the share of all cores that others used since this was made."""
        now, before = psutil.cpu_times(), self._before
        busy = sum(now) - now.idle - now.iowait - (sum(before) - before.idle - before.iowait)
        # Time of guests is counted twice, in `user` too; here there are none.
        return max(0.0, busy - sum(used)) / (seconds * (psutil.cpu_count() or 1))


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
