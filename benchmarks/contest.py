"""Letting servers take turns under the same load, and comparing each with the first."""

import asyncio
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import uvloop

from benchmarks.load import Load, drive

CLIENTS = 64


@dataclass
class Contestant:
    """A server, and what is sent to it."""

    name: str
    kind: str
    folder: Path
    requests: Iterator[bytes]
    loads: list[Load] = field(default_factory=list)
    cpu_per_answer: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second, the median of all rounds."""
        return statistics.median(load.rate for load in self.loads)

    @property
    def cpu(self) -> float:
        """Microseconds of CPU an answer, the median of all rounds."""
        return statistics.median(self.cpu_per_answer) * 1e6

    def share_of(self, other: "Contestant") -> float:
        """Speed as a share of another's: by rate or by CPU an answer, whichever is less.

        The rate alone would flatter: the load may be what limits the faster one of the two. The CPU
        alone would, too: it knows nothing of waiting for a disk. Median of the rounds' own shares.
        """
        by_rate = zip(self.loads, other.loads, strict=True)
        by_cpu = zip(self.cpu_per_answer, other.cpu_per_answer, strict=True)
        return min(
            statistics.median(mine.rate / theirs.rate for mine, theirs in by_rate),
            statistics.median(theirs / mine for mine, theirs in by_cpu),
        )


class Server:
    """A server in a process of its own; it ends with the block."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.servers", kind, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._answer())

    def cpu_seconds(self) -> float:
        """Ask how much CPU time it has used so far."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def resident_bytes(self) -> int:
        """Return how much memory it holds."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def load(self, requests: Iterator[bytes], seconds: float) -> Load:
        """Load it until the time or the requests are over."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(drive(self.port, requests, CLIENTS, seconds))

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a server of the bench ended early; see its log above")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


def compete(contestants: Sequence[Contestant], rounds: int, seconds: float) -> None:
    """Load all servers in turn, round after round; those whose turn it is not are idle."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(Server(contestant.kind, contestant.folder))
            for contestant in contestants
        ]
        for turn in range(-1, rounds):
            for contestant, server in zip(contestants, servers, strict=True):
                before = server.cpu_seconds()
                load = server.load(contestant.requests, seconds)
                used = server.cpu_seconds() - before
                unexpected = set(load.statuses) - {202}
                if unexpected or not load.answers:
                    raise RuntimeError(f"{contestant.name}: answered {load.statuses}")
                if turn >= 0:  # the first turn only warms up
                    contestant.loads.append(load)
                    contestant.cpu_per_answer.append(used / load.answers)
