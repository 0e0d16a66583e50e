"""The life of a service's process: start, run until told to stop, end with a code."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
import uvloop

from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import NexusError

log = structlog.get_logger()

OpenService = Callable[[], AbstractAsyncContextManager[BackgroundTasks]]
"""Opens all of a service; yields its background tasks, whose fault ends the process."""


def run_process(open_service: OpenService) -> int:
    """Run a service until SIGTERM or SIGINT; return the exit code of the process.

    0: stopped as told; 1: a part failed while running; 2: could not start, said in one line.
    """
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(open_service))
    except NexusError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line a person reads
        return 2


async def _run(open_service: OpenService) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def stop_once() -> None:
        stop.set()
        # A second signal means "now": with our handlers gone, the system's own ends the process.
        # Nothing accepted is lost by that, it only skips the drain.
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop_once)
    async with open_service() as tasks:
        tasks.fault.add_done_callback(lambda _: stop.set())
        await stop.wait()
        fault = tasks.fault.result() if tasks.fault.done() else None
        log.info("stopping", reason=fault or "signal")
    return 1 if fault else 0
