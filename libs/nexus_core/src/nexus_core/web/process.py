"""The life of a service's process: settings, start, run until told to stop, end with a code."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeVar

import structlog
import uvloop

from nexus_core import __version__
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.errors import NexusError
from nexus_core.settings.loader import FILE_VARIABLE, empty_secrets, load
from nexus_core.settings.sections import ServiceSettings
from nexus_core.telemetry.logging import configure_logging

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_FIRST_PROCESS = 1

OpenService = Callable[[S], AbstractAsyncContextManager[BackgroundTasks]]
"""Opens all of a service; yields its background tasks, whose fault ends the process."""


def run_process(name: str, kind: type[S], open_service: OpenService[S]) -> int:
    """Run a service until SIGTERM or SIGINT; return the exit code of the process.

    0: stopped as told; 1: a part failed while running; 2: could not start, said in one line.
    """
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("--config", type=Path, help=f"YAML file of settings (or {FILE_VARIABLE})")
    parser.add_argument("--version", action="version", version=f"{name} {__version__}")
    arguments = parser.parse_args()
    _end_when_signalled()
    try:
        settings = load(kind, file=arguments.config)
        configure_logging(name, settings.log_level, settings.log_format)
        for variable in empty_secrets(settings):
            log.warning("secret is empty", variable=variable)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(open_service, settings))
    except NexusError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - the one line a person reads
        return 2


def _end_when_signalled() -> None:
    """Let a signal end this process where the system does not: the first one of a container.

    The kernel spares that one every signal which it has no handler for, so it would start on, or
    drain on, until whoever wants it gone loses patience.
    """
    if os.getpid() == _FIRST_PROCESS:
        for number in _SIGNALS:
            signal.signal(number, lambda received, _: os._exit(128 + received))


def spare_the_garbage_collector() -> None:
    """Let it pass by what was made at the start and stays, and come less often.

    By default it comes each 700 objects, which is a few requests; cycles are rare here.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _run(open_service: OpenService[S], settings: S) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_once() -> None:
        stop.set()
        # A second signal means "now": with our handlers gone, the system's own ends the process.
        # Nothing accepted is lost by that, it only skips the drain.
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        _end_when_signalled()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop_once)
    async with open_service(settings) as tasks:
        spare_the_garbage_collector()
        tasks.fault.add_done_callback(lambda _: stop.set())
        await stop.wait()
        fault = tasks.fault.result() if tasks.fault.done() else None
        log.info("stopping", reason=fault or "signal")
    return 1 if fault else 0
