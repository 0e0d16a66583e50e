"""A run's story outlives its pod, and standalone too."""

import asyncio
from typing import Any

import aiohttp

from support.caller import PATIENCE
from support.standalone import Standalone


def path_of(algorithm: str, request_id: str) -> str:
    return f"/algorithm/explain/{algorithm}/requests/{request_id}"


def told(story: Any) -> list[str]:
    return [step["what"] for step in story["steps"]]


async def story_with(standalone: Standalone, path: str, what: str) -> Any:
    """Wait until a story tells of something: what is kept is written a moment later."""
    async with asyncio.timeout(PATIENCE):
        while what not in told(story := await standalone.get(path)):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # the journal tells nobody
    return story


async def test_why_a_run_failed_is_told_after_a_kill_and_a_restart(
    standalone: Standalone,
) -> None:
    await standalone.start()
    run = await standalone.submit("out-of-memory", {"algorithmParameters": {}})
    path = path_of("out-of-memory", run)
    await standalone.finished("out-of-memory", run)
    before = await story_with(standalone, path, "JobEnded")
    await standalone.kill()
    await standalone.start()

    after = await standalone.get(path)

    assert after == before
    assert told(after) == [
        "Accepted",
        "Buffered",
        "Submitted",
        "Scheduled",
        "Started",
        "Killed",
        "JobEnded",
        "Failed",
    ]
    killed = after["steps"][5]
    assert killed["sentence"].endswith("it used more memory than its limit of 64Mi.")
    assert "above 64Mi" in after["advice"]


async def test_what_was_seen_just_before_a_stop_is_kept(standalone: Standalone) -> None:
    await standalone.start()
    run = await standalone.submit("hello-world", {"algorithmParameters": {"name": "Ada"}})
    await standalone.finished("hello-world", run)
    assert await standalone.stop() == 0
    await standalone.start()

    story = await standalone.get(path_of("hello-world", run))

    assert told(story)[-2:] == ["Started", "Completed"]


async def test_a_story_can_be_read_in_a_terminal(standalone: Standalone) -> None:
    await standalone.start()
    run = await standalone.submit("does-not-start", {"algorithmParameters": {}})
    await standalone.finished("does-not-start", run)
    url = standalone.url + path_of("does-not-start", run)
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers={"Accept": "text/plain"}) as answer,
    ):
        lines = (await answer.text()).splitlines()

    assert lines[0] == f"does-not-start/{run}  SCHEDULING_FAILED"
    assert lines[1].startswith("It never ran: The container of the algorithm could not be started")
    assert lines[2].startswith("What you can do: ")
