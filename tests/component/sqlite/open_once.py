"""Opens the file named on the command line as soon as it is told to, and accepts one run."""

import asyncio
import sys
from pathlib import Path

from nexus_core.adapters.sqlite.checkpoint_store import SqliteCheckpointStore
from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.aio.clock import SystemClock
from support.runs import a_checkpoint


async def main(path: Path) -> None:
    async with SqliteDatabase.open(path) as database:
        await SqliteCheckpointStore(database, SystemClock()).accept(a_checkpoint(), None)


sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()
asyncio.run(main(Path(sys.argv[1])))
