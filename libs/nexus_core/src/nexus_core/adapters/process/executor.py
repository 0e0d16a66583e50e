"""Threads for what would block the event loop: files, and starting processes."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

# Several, because a thread that waits for the disk to confirm lets others confirm in the same
# turn of the disk. More than four did not make the creation of Jobs faster.
_THREADS = 4


class Executor:
    """A few threads of our own: the event loop's are everybody's, and outlive us."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="process-cluster")

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in a thread. When the caller is cancelled, the call goes on."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    async def close(self) -> None:
        """Wait for the calls that go on, each of which is short."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
