"""What standalone had accepted survives its end, whatever that end is like."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from support.caller import PATIENCE
from support.standalone import Standalone

# Longer than the default for a test: this many runs keep two cores busy for half a minute.
pytestmark = pytest.mark.timeout(300)

RUNS = 500


async def _submit(standalone: Standalone, runs: int) -> set[str]:
    gate = asyncio.Semaphore(32)

    async def submit(number: int) -> str:
        async with gate:
            body = {"algorithmParameters": {"name": f"number {number}"}}
            return await standalone.submit("hello-world", body)

    return set(await asyncio.gather(*(submit(number) for number in range(runs))))


async def _until(standalone: Standalone, completed: int) -> list[dict[str, Any]]:
    """Wait until so many runs are finished; return all."""
    async with asyncio.timeout(4 * PATIENCE):
        while True:
            runs = await standalone.runs()
            stages = Counter(run["status"] for run in runs)
            unfinished = stages["NEW"] + stages["BUFFERED"] + stages["RUNNING"]
            if len(runs) - unfinished >= completed:
                return runs
            await asyncio.sleep(0.2)  # nobody tells of all runs together


async def test_all_of_500_runs_finish_once_though_standalone_is_killed_in_the_middle(
    standalone: Standalone,
) -> None:
    await standalone.start()
    accepted = await _submit(standalone, RUNS)
    await _until(standalone, RUNS // 4)
    await standalone.kill()
    await standalone.start()
    runs = await _until(standalone, RUNS)
    assert {run["requestId"] for run in runs} == accepted
    assert Counter(run["status"] for run in runs) == {"COMPLETED": RUNS}
    # Kept for five minutes after a Job's end; a second try would have left a second log.
    logs = [path.parent.name for path in standalone.folder.rglob("attempt-*.log")]
    assert len(logs) == len(set(logs))
    assert set(logs) <= accepted


async def test_a_stop_in_the_middle_takes_seconds_and_the_next_start_goes_on(
    standalone: Standalone,
) -> None:
    await standalone.start()
    accepted = await _submit(standalone, 60)
    async with asyncio.timeout(10):
        assert await standalone.stop() == 0
    await standalone.start()
    runs = await _until(standalone, 60)
    assert {run["requestId"] for run in runs} == accepted
    assert {run["status"] for run in runs} == {"COMPLETED"}
