"""Standalone dies over what comes after a run's end: its story, its log, and their removal."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from support.left_behind import job_folder, payloads, recorded, results
from support.processes import end_pods, until
from support.standalone import Standalone
from support.waiting import until_so

HELLO = {"algorithmParameters": {"name": "Ada"}}

# A supervisor in a hurry: what it finds, and not how patient it is, is asked here.
HASTE = {
    "NEXUS__SWEEP__INTERVAL": "100ms",
    "NEXUS__SWEEP__STRAGGLER_GRACE": "100ms",
    "NEXUS__SWEEP__JOB_MISSING_GRACE": "100ms",
}

# What has ended has had its time at once, but for its record.
NOTHING_STAYS = {
    "NEXUS__RETENTION__INTERVAL": "200ms",
    "NEXUS__RETENTION__BUFFERED_JOBS": "100ms",
    "NEXUS__RETENTION__PAYLOADS": "100ms",
    "NEXUS__RETENTION__RESULTS": "100ms",
}


@pytest.fixture
async def standalone(standalone: Standalone) -> AsyncIterator[Standalone]:
    yield standalone
    if standalone.process is not None and standalone.process.returncode is None:
        await standalone.kill()
    end_pods(standalone.folder / "data/cluster")


async def only_run(standalone: Standalone) -> str:
    """Return the one run that a dead standalone left, whose submission it may not have answered."""
    (request_id,) = await recorded(standalone.folder)
    return request_id


@pytest.mark.parametrize("point", ["verdict-recorded", "before-log", "log-kept"])
async def test_what_a_failed_run_printed_is_kept_by_the_next_supervisor(
    standalone: Standalone, point: str
) -> None:
    await standalone.start_doomed(point)
    with contextlib.suppress(aiohttp.ClientError):
        await standalone.submit("fails", {"algorithmParameters": {"measurements": []}})
    await standalone.dies()
    request_id = await only_run(standalone)

    await standalone.start(**HASTE)
    await until(lambda: not job_folder(standalone.folder, request_id).exists())
    url = f"{standalone.url}/algorithm/logs/fails/requests/{request_id}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        assert "ZeroDivisionError" in await answer.text()


@pytest.mark.parametrize("point", ["before-journal", "journal-written"])
async def test_the_story_of_a_run_is_whole_though_its_supervisor_dies_over_it(
    standalone: Standalone, point: str
) -> None:
    await standalone.start_doomed(point)
    with contextlib.suppress(aiohttp.ClientError):
        await standalone.submit("hello-world", HELLO)
    await standalone.dies()
    request_id = await only_run(standalone)

    await standalone.start()
    assert (await standalone.finished("hello-world", request_id))["status"] == "COMPLETED"

    async def is_told() -> bool:
        story = await standalone.get(f"/algorithm/explain/hello-world/requests/{request_id}")
        return {"Accepted", "Started", "Completed"} <= {step["what"] for step in story["steps"]}

    await until_so(is_told, patience=30)


@pytest.mark.parametrize(
    ("point", "visit"),
    [
        ("removal-led", 5),
        ("job-removed", 1),
        ("payload-removed", 1),
        ("result-removed", 1),
        ("before-place", 1),
        ("place-remembered", 1),
    ],
)
async def test_whenever_removal_dies_the_next_supervisor_removes_the_rest(
    standalone: Standalone, point: str, visit: int
) -> None:
    await standalone.start_doomed(point, visit, **NOTHING_STAYS)
    with contextlib.suppress(aiohttp.ClientError):
        await standalone.submit("hello-world", HELLO)
    await standalone.dies()
    request_id = await only_run(standalone)

    await standalone.start(**NOTHING_STAYS)
    # It may have died before the run had ended: then it ends first.
    assert (await standalone.finished("hello-world", request_id))["status"] == "COMPLETED"
    await until(lambda: not payloads(standalone.folder, "hello-world"))
    await until(lambda: not results(standalone.folder, "hello-world"))

    async def is_gone() -> bool:
        path = f"{standalone.url}/algorithm/v1/buffer/hello-world/requests/{request_id}"
        async with aiohttp.ClientSession() as session, session.get(path) as answer:
            return answer.status == 404

    await until_so(is_gone)
    # What became of it can still be asked for.
    assert (await standalone.finished("hello-world", request_id))["status"] == "COMPLETED"
