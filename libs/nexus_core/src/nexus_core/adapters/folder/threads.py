"""Worker threads for calls that block on a disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from nexus_core.domain.errors import UnavailableError

P = ParamSpec("P")
T = TypeVar("T")

# A disk that takes this long over a file, or over one piece of a large one, is ill.
_DISK_SECONDS = 30.0


class Threads:
    """The threads of one folder."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._threads = ThreadPoolExecutor(size, thread_name_prefix="folder")
        self._closed = False

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a blocking call and return its result. Its errors pass through.

        Raises:
            UnavailableError: it takes too long, and may yet happen; or the folder was closed.
        """
        if self._closed:
            raise UnavailableError(f"{self._folder}: closed")
        work = asyncio.wrap_future(self._threads.submit(call, *args, **kwargs))
        try:
            async with asyncio.timeout(_DISK_SECONDS):
                return await work
        except TimeoutError as error:
            raise UnavailableError(f"{self._folder}: no answer in {_DISK_SECONDS} s") from error

    def run_later(self, call: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Make a blocking call whose end nobody waits for, and which does not fail."""
        if not self._closed:
            self._threads.submit(call, *args, **kwargs)

    async def close(self) -> None:
        """End the threads, after what they were given. Idempotent."""
        self._closed = True
        end = asyncio.create_task(asyncio.to_thread(self._threads.shutdown), name="folder-close")
        await asyncio.wait([end], timeout=_DISK_SECONDS)
