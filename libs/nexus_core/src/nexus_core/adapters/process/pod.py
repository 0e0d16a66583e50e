"""The process group of a try that runs."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import psutil

from nexus_core.adapters.process import shim

# Only where the operating system does not tell of a death.
_POLL_SECONDS = 0.1


class Pod:
    """Holds on to a try that runs: learns of its end, and can bring it about.

    Must be given up with `release`, which leaves the processes as they are.

    Args:
        pid: of the shim: a child of ours, or one that an earlier process of ours started.
        stem: of the try's files, for one that is no child: its number may be another's by now.
    """

    def __init__(self, pid: int, stem: Path | None = None) -> None:
        self.pid = pid
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pidfd: int | None = None
        self._poll: asyncio.Task[None] | None = None
        self._hold()
        # Once held, the number can't pass to another process unnoticed: so look at it now. A child
        # keeps its number until it is reaped, and need not be known yet by its arguments.
        if stem is not None and not shim.is_shim(pid, stem):
            self._on_end()

    def kill(self) -> None:
        """End the whole process group, now. Harmless when it has ended."""
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def release(self) -> None:
        """Hold on no more."""
        if self._pidfd is not None:
            asyncio.get_running_loop().remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._poll is not None:
            self._poll.cancel()

    def _hold(self) -> None:
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self._on_end()
        except (AttributeError, OSError):
            # Not Linux, or no descriptor is left.
            name = f"process-cluster-pod-{self.pid}"
            self._poll = asyncio.create_task(self._until_gone(), name=name)
        else:
            # Readable means ended, for children and others alike.
            asyncio.get_running_loop().add_reader(self._pidfd, self._on_end)

    def _on_end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)
        self.release()

    async def _until_gone(self) -> None:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self.pid)
            # Nothing here would set an event.
            while process.is_running() and process.status() != "zombie":  # noqa: ASYNC110
                await asyncio.sleep(_POLL_SECONDS)
        self._on_end()
