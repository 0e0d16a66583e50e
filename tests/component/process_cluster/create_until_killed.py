"""Run by a test: create Jobs, say so, and wait to be killed."""

import asyncio
import sys
from pathlib import Path

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.adapters.process.settings import ProcessClusterSettings
from nexus_core.aio.clock import SystemClock
from support.clusters import a_manifest, a_run_key


async def main(root: Path, directory: Path, jobs: int, script: str) -> None:
    async with ProcessCluster.open(
        root,
        name="here",
        directory=directory,
        clock=SystemClock(),
        settings=ProcessClusterSettings(max_pods=4),
    ) as cluster:
        for _ in range(jobs):
            key = a_run_key()
            await cluster.create_job(key, a_manifest(key, script))
            sys.stdout.write(f"{key.request_id}\n")
            sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
