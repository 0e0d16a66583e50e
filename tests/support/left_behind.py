"""What services on embedded stores, or their death, left in the data folder."""

import sqlite3
from pathlib import Path

from nexus_core.adapters.sqlite.database import SqliteDatabase
from nexus_core.adapters.sqlite.run_index import SqliteRunIndex
from nexus_core.domain.checkpoint import RunFilter
from nexus_core.domain.stages import Stage


async def recorded(folder: Path) -> dict[str, Stage]:
    """Return the stage of each run in the store of services that are dead."""
    async with SqliteDatabase.open(folder / "data/checkpoints.sqlite") as database:
        runs = await SqliteRunIndex(database).runs(RunFilter(), limit=100)
        return {run.key.request_id: run.stage for run in runs}


async def grow_old(folder: Path, days: int) -> None:
    """Let all runs of services that are dead have ended so long ago."""
    earlier = days * 24 * 3600 * 1_000_000

    def grow(cursor: sqlite3.Cursor) -> None:
        cursor.execute("UPDATE checkpoints SET last_modified = last_modified - ?", (earlier,))

    async with SqliteDatabase.open(folder / "data/checkpoints.sqlite") as database:
        await database.write(grow)


def payloads(folder: Path, algorithm: str) -> list[str]:
    """Return the ids of the runs of an algorithm whose payloads are stored."""
    return [name for name in _content(folder, algorithm) if not name.endswith(".result")]


def results(folder: Path, algorithm: str) -> list[str]:
    """Return the ids of the runs of an algorithm whose results are stored."""
    suffix = ".result"
    content = _content(folder, algorithm)
    return [name.removesuffix(suffix) for name in content if name.endswith(suffix)]


def _content(folder: Path, algorithm: str) -> list[str]:
    below = folder / f"data/payloads/algorithm={algorithm}"
    return sorted(file.name for file in below.iterdir()) if below.exists() else []


def jobs(folder: Path) -> list[str]:
    """Return the ids of the runs that have a Job."""
    below = folder / "data/cluster/jobs"
    return sorted(job.name for job in below.iterdir()) if below.exists() else []


def job_folder(folder: Path, request_id: str) -> Path:
    return folder / "data/cluster/jobs" / request_id


def tries(folder: Path, request_id: str) -> int:
    """Return how often an algorithm was started; its Job is kept for five minutes."""
    return len(list(job_folder(folder, request_id).glob("attempt-*.log")))


def wants_to_report(folder: Path, request_id: str) -> bool:
    """Tell whether an algorithm has called, heard nothing, and will call again."""
    log = job_folder(folder, request_id) / "attempt-0.log"
    return log.exists() and "/complete/" in log.read_text("utf-8")
