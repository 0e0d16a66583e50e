"""Stories of runs on real servers: what held them back, and what became of their pods."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from msgspec.structs import replace as with_changes

from nexus_core.domain.names import RunKey
from support.algorithms import Algorithms
from support.caller import PATIENCE
from support.deployment import Deployment, Servers, a_deployment
from support.gate import Gate, a_gate
from support.kubeconfigs import lead_through
from tools.testbed.kubernetes.outcomes import OUTCOME, OUTCOME_UNTIL, Outcome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("life of a run"),
]


def told(story: Any) -> list[str]:
    return [step["what"] for step in story["steps"]]


def step(story: Any, what: str) -> Any:
    return next(step for step in story["steps"] if step["what"] == what)


async def story_of(deployment: Deployment, run: RunKey) -> Any:
    return await deployment.get(f"/algorithm/explain/{run.algorithm}/requests/{run.request_id}")


async def story_with(deployment: Deployment, run: RunKey, *whats: str) -> Any:
    """Wait until a story tells of some things: what is kept is written a moment later."""
    async with asyncio.timeout(PATIENCE):
        while set(whats) - set(told(story := await story_of(deployment, run))):  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # the journal tells nobody
    return story


async def submitted(deployment: Deployment, algorithm: str) -> RunKey:
    return RunKey(algorithm, await deployment.submit(algorithm, {"algorithmParameters": {}}))


async def test_a_run_out_of_memory_is_told_so_after_all_services_restarted(
    own_deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await algorithms.publish(Outcome.OUT_OF_MEMORY)
    await own_deployment.start()
    run = await submitted(own_deployment, algorithm)
    await own_deployment.finished(algorithm, run.request_id)
    before = await story_with(own_deployment, run, "Killed", "JobEnded")
    assert set((await own_deployment.stop()).values()) == {0}
    await own_deployment.start("SCHEDULER")

    after = await story_of(own_deployment, run)

    assert after["steps"] == before["steps"]
    assert told(after)[:4] == ["Accepted", "Buffered", "Submitted", "Scheduled"]
    assert told(after)[-3:] == ["Killed", "JobEnded", "DeadlineExceeded"]
    assert step(after, "Killed")["sentence"].endswith("its limit of 64Mi.")
    assert "above 64Mi" in after["advice"]


async def test_a_run_that_was_evicted_and_repeated_is_told_so(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    until = datetime.now(UTC) + timedelta(seconds=6)
    annotations = {
        OUTCOME: Outcome.EVICTED.value,
        OUTCOME_UNTIL: until.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    algorithm = await deployment.learns(
        await algorithms.publish(Outcome.EVICTED, annotations=annotations)
    )
    run = await submitted(deployment, algorithm)

    story = await story_with(deployment, run, "Disrupted", "JobEnded")

    tries = [step["what"] for step in story["steps"] if step["what"] in {"Started", "Disrupted"}]
    assert tries[:2] == ["Started", "Disrupted"]
    assert tries[-1] == "Started"
    assert step(story, "Disrupted")["sentence"].endswith("does not count against its retries.")


async def test_a_run_whose_image_is_missing_is_told_so_in_the_words_of_its_cluster(
    deployment: Deployment, algorithms: Algorithms
) -> None:
    algorithm = await deployment.learns(await algorithms.publish(Outcome.IMAGE_MISSING))
    run = await submitted(deployment, algorithm)

    story = await story_with(deployment, run, "ImageNotPulled")

    assert algorithm in step(story, "ImageNotPulled")["sentence"]
    assert step(story, "ImageNotPulled")["details"]


@pytest_asyncio.fixture(loop_scope="module")
async def gate(servers: Servers) -> AsyncIterator[Gate]:
    """A gate before the API server of the shards."""
    where = urlsplit(servers.kubernetes.endpoint)
    assert where.hostname
    assert where.port
    async with a_gate(where.hostname, where.port) as gate:
        yield gate


@pytest_asyncio.fixture(loop_scope="module")
async def behind(servers: Servers, gate: Gate, tmp_path: Path) -> AsyncIterator[Deployment]:
    """Scheduler, receiver and supervisor behind it."""
    shards = lead_through(servers.kubernetes, f"https://127.0.0.1:{gate.port}", tmp_path)
    kubernetes = with_changes(servers.kubernetes, shards_folder=str(shards))
    led = Servers(
        cassandra=servers.cassandra, s3=servers.s3, kubernetes=kubernetes, keyspace=servers.keyspace
    )
    async with a_deployment(led) as deployment:
        yield deployment


async def test_a_run_that_a_cluster_which_is_away_held_back_is_told_so(
    behind: Deployment, gate: Gate, algorithms: Algorithms
) -> None:
    algorithm = await algorithms.publish(Outcome.RUNS)
    await behind.start()
    gate.shut()
    run = await submitted(behind, algorithm)

    held_back = await story_with(behind, run, "HeldBack")
    await gate.open()
    await algorithms.job(run)
    story = await story_with(behind, run, "Submitted", "Started")

    assert held_back["headline"].startswith("It is held back: cluster 'shard-0' refuses Jobs")
    assert held_back["advice"].startswith("Nothing is lost")
    assert step(held_back, "HeldBack")["details"]
    assert step(story, "HeldBack")["sentence"].startswith("Held back for ")
    assert "advice" not in step(story, "HeldBack")
    assert told(story).index("HeldBack") < told(story).index("Submitted")
