"""What Nexus holds and uses: memory of queued runs, CPU of an idle standalone."""

import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from benchmarks.contest import Server
from benchmarks.workload import run_requests

# Caches, buffers and the interpreter's own pools have grown by then.
_WARM_UP = 5_000


def queued_bytes(runs: int, folder: Path) -> int:
    """Return by how many bytes `runs` queued runs make a scheduler grow."""
    server = Server("accept-instant", folder)
    with server:
        server.load(itertools.islice(run_requests(), _WARM_UP), seconds=60)
        before = server.resident_bytes()
        load = server.load(itertools.islice(run_requests(), runs), seconds=60)
        if load.statuses != {202: runs}:
            raise RuntimeError(f"not all runs were queued: {load.statuses}")
        return server.resident_bytes() - before


def idle_share(folder: Path, seconds: float) -> float:
    """Return the share of a core that an idle standalone uses."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("NEXUS")},
        "NEXUS__DATA_PATH": str(folder),
        "NEXUS__SCHEDULER__LISTEN__PORT": "0",
        "NEXUS__RECEIVER__LISTEN__PORT": "0",
        "NEXUS__SUPERVISOR__LISTEN__PORT": "0",
    }
    standalone = subprocess.Popen(
        [sys.executable, "-m", "nexus_standalone"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(5)  # started, and past its first sweep
        process = psutil.Process(standalone.pid)
        before, began = sum(process.cpu_times()[:4]), time.perf_counter()
        time.sleep(seconds)
        return float(sum(process.cpu_times()[:4]) - before) / (time.perf_counter() - began)
    finally:
        standalone.terminate()
        standalone.wait(timeout=30)
