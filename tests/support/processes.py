"""Looking at processes and at the files they leave, from outside."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import psutil

from nexus_core.adapters.process import shim
from nexus_core.adapters.process.cluster import ProcessCluster
from support.clusters import PATIENCE

OpenCluster = Callable[..., AbstractAsyncContextManager[ProcessCluster]]
"""Opens the cluster on a test's folder, as often as the test likes; takes its settings."""


async def until(fact: Callable[[], object]) -> None:
    """Wait until something is so that nothing tells of: another process's doing."""
    async with asyncio.timeout(PATIENCE):
        while not fact():  # noqa: ASYNC110 - so there is no event
            await asyncio.sleep(0.005)


def end_pods(root: Path) -> None:
    """End what a cluster on a folder has left running, as it does when it is closed."""
    for claim in root.glob("jobs/*/attempt-*.claim"):
        stem = claim.with_suffix("")
        pid = number_in(claim)
        if pid is not None and shim.is_shim(pid, stem):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            shim.reap(pid)


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def number_in(file: Path) -> int | None:
    """Return the number that a process wrote into a file; None as long as it has not."""
    try:
        text = file.read_text()
    except FileNotFoundError:
        return None
    number, end, _ = text.partition("\n")
    return int(number) if end and number.isdigit() else None
