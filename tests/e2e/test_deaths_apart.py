"""A scheduler or a receiver, each a process of its own, kills itself; the next one makes it good.

The other one lives on all the while, which tells these from the deaths of a whole standalone in
`test_deaths.py`. With a supervisor beside them, on real servers:
`tests/integration/services/test_deaths.py`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nexus_core.domain.stages import Stage
from support.apart import Apart, on_a_folder
from support.caller import REPOSITORY, no_answer
from support.left_behind import job_folder, jobs, payloads, recorded, tries, wants_to_report
from support.processes import end_pods, is_alive, number_in, until

HELLO = {"algorithmParameters": {"name": "Ada"}}
GREETING = {"greeting": "Hello, Ada!"}

# A cluster that is given one Job, and no other for as long as a test goes on.
ONE_PLACE = {
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "1",
}

TEMPLATES = f"{REPOSITORY / 'examples'},{REPOSITORY / 'tests/support/patient'}"

# A variable that only Kubernetes could fill in: this cluster refuses the Job.
REFUSED = """
apiVersion: science.sneaksanddata.com/v1
kind: NexusAlgorithmTemplate
metadata:
  name: refused
spec:
  container: {registry: registry.test, image: nexus-tests, versionTag: "1"}
  command: "true"
  computeResources: {limits: {cpu: "1", memory: 128Mi}}
  workgroupRef:
    {name: default, group: science.sneaksanddata.com, kind: NexusAlgorithmWorkgroup}
  runtimeEnvironment:
    mappedEnvironmentVariables: [{secretRef: {name: a-secret}}]
"""


@pytest.fixture
async def apart(tmp_path: Path) -> AsyncIterator[Apart]:
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused/template.yaml").write_text(REFUSED)
    paths = f"{TEMPLATES},{tmp_path / 'refused'}"
    async with on_a_folder(tmp_path, NEXUS__CATALOGUE__PATHS=paths) as services:
        yield services
    # Leave no algorithm running that waits for its test.
    end_pods(tmp_path / "data/cluster")


async def start_with_doomed(apart: Apart, service: str, point: str, **settings: str) -> None:
    """Start scheduler and receiver, one of them doomed."""
    (other,) = {"SCHEDULER", "RECEIVER"} - {service}
    await apart.start_doomed(service, point, **settings)
    await apart.start(other, **settings)
    await apart.comes_up(service)


async def stages(apart: Apart) -> dict[str, str]:
    return {run["requestId"]: run["status"] for run in await apart.runs()}


async def completes_once(apart: Apart, folder: Path, request_id: str) -> None:
    """Expect a run of `hello-world` to end well, in one try."""
    result = await apart.finished("hello-world", request_id)
    assert result["status"] == "COMPLETED"
    assert await apart.fetch(result["resultUri"]) == GREETING
    assert tries(folder, request_id) == 1


# The scheduler, accepting.


@pytest.mark.parametrize(
    ("point", "stored", "runs"),
    [("before-payload", 0, 0), ("payload-stored", 1, 0), ("run-recorded", 1, 1)],
)
async def test_whenever_accepting_dies_the_next_try_with_its_key_makes_one_run(
    apart: Apart, tmp_path: Path, point: str, stored: int, runs: int
) -> None:
    await start_with_doomed(apart, "SCHEDULER", point)
    with no_answer():
        await apart.submit("hello-world", HELLO, "a-key")
    await apart.dies("SCHEDULER")
    assert len(payloads(tmp_path, "hello-world")) == stored
    assert list((await recorded(tmp_path)).values()) == [Stage.BUFFERED] * runs

    await apart.start("SCHEDULER")
    request_id = await apart.submit("hello-world", HELLO, "a-key")
    await completes_once(apart, tmp_path, request_id)
    assert await stages(apart) == {request_id: "COMPLETED"}


async def test_a_death_before_a_needless_payload_is_removed_leaves_one_run_a_key(
    apart: Apart, tmp_path: Path
) -> None:
    await start_with_doomed(apart, "SCHEDULER", "before-payload-removal", **ONE_PLACE)

    keys: list[str] = []
    while apart.processes["SCHEDULER"].returncode is None:
        keys.append(f"key-{len(keys)}")
        # At once, so that some do not find another: all but one of those come to nothing.
        at_once = (apart.submit("hello-world", HELLO, keys[-1]) for _ in range(32))
        await asyncio.gather(*at_once, return_exceptions=True)
    await apart.dies("SCHEDULER")
    left = await recorded(tmp_path)
    assert left.keys() < set(payloads(tmp_path, "hello-world"))

    await apart.start("SCHEDULER", **ONE_PLACE)
    answered = {await apart.submit("hello-world", HELLO, key) for key in keys}
    assert left.keys() <= answered
    assert (await stages(apart)).keys() == answered


# The scheduler, launching.


@pytest.mark.parametrize(
    ("point", "made", "stage"),
    [
        ("before-job-creation", 0, Stage.BUFFERED),
        ("job-created", 1, Stage.BUFFERED),
        ("running-recorded", 1, Stage.RUNNING),
    ],
)
async def test_whenever_a_launch_dies_the_next_scheduler_goes_on_with_one_job(
    apart: Apart, tmp_path: Path, point: str, made: int, stage: Stage
) -> None:
    await start_with_doomed(apart, "SCHEDULER", point)
    # The launch is no part of the request: which of the two is quicker is left to them.
    with contextlib.suppress(aiohttp.ClientError):
        await apart.submit("hello-world", HELLO)
    await apart.dies("SCHEDULER")
    # It can't go further: its algorithm gets its payload from the scheduler.
    ((request_id, left),) = (await recorded(tmp_path)).items()
    assert (len(jobs(tmp_path)), left) == (made, stage)

    await apart.start("SCHEDULER")
    await completes_once(apart, tmp_path, request_id)


@pytest.mark.parametrize(
    ("point", "left"),
    [("before-verdict", Stage.BUFFERED), ("verdict-recorded", Stage.SCHEDULING_FAILED)],
)
async def test_a_run_whose_job_is_refused_ends_though_its_scheduler_dies_over_it(
    apart: Apart, tmp_path: Path, point: str, left: Stage
) -> None:
    await start_with_doomed(apart, "SCHEDULER", point)
    with contextlib.suppress(aiohttp.ClientError):
        await apart.submit("refused", HELLO)
    await apart.dies("SCHEDULER")
    ((request_id, stage),) = (await recorded(tmp_path)).items()
    assert stage is left

    await apart.start("SCHEDULER")
    result = await apart.finished("refused", request_id)
    assert result["status"] == "SCHEDULING_FAILED"
    assert "refused the Job" in result["runErrorMessage"]
    assert jobs(tmp_path) == []


# The scheduler, coming and going.


@pytest.mark.parametrize(
    ("point", "visit"), [("lease-renewed", 1), ("left-runs-read", 1), ("job-read", 2)]
)
async def test_a_scheduler_that_dies_while_it_takes_up_its_queue_leaves_it_to_the_next(
    apart: Apart, tmp_path: Path, point: str, visit: int
) -> None:
    await apart.start("SCHEDULER", "RECEIVER", **ONE_PLACE)
    runs = [await apart.submit("hello-world", HELLO) for _ in range(4)]
    await completes_once(apart, tmp_path, runs[0])
    await apart.kill("SCHEDULER")
    left = await recorded(tmp_path)
    assert [left[run] for run in runs[1:]] == [Stage.BUFFERED] * 3

    await apart.start_doomed("SCHEDULER", point, visit, **ONE_PLACE)
    await apart.dies("SCHEDULER")

    await apart.start("SCHEDULER")
    for run in runs:
        await completes_once(apart, tmp_path, run)


async def test_a_scheduler_that_dies_while_it_stops_leaves_its_queue_to_the_next(
    apart: Apart, tmp_path: Path
) -> None:
    await start_with_doomed(apart, "SCHEDULER", "before-lease-release", **ONE_PLACE)
    runs = [await apart.submit("hello-world", HELLO) for _ in range(3)]
    apart.processes["SCHEDULER"].terminate()
    await apart.dies("SCHEDULER")

    await apart.start("SCHEDULER")
    for run in runs:
        await completes_once(apart, tmp_path, run)


# The scheduler, taking results, cancellations and tags.


@pytest.mark.parametrize("point", ["before-result", "result-stored"])
async def test_a_result_whose_upload_died_is_sent_again(
    apart: Apart, tmp_path: Path, point: str
) -> None:
    await start_with_doomed(apart, "SCHEDULER", point)
    request_id = await apart.submit("hello-world", HELLO)
    await apart.dies("SCHEDULER")

    await apart.start("SCHEDULER")
    await completes_once(apart, tmp_path, request_id)


async def start_patient(apart: Apart, folder: Path) -> tuple[str, int]:
    """Start a run that ends when it is told to; return its id and the number of its process."""
    parameters: dict[str, Any] = {"folder": str(folder)}
    request_id = await apart.submit("patient", {"algorithmParameters": parameters})
    await until(lambda: number_in(folder / "begun"))
    process = number_in(folder / "begun")
    assert process is not None
    return request_id, process


@pytest.mark.parametrize(
    ("point", "stage", "made"),
    [
        ("before-cancellation", Stage.RUNNING, 1),
        ("cancel-recorded", Stage.CANCELLED, 1),
        ("before-job-deletion", Stage.CANCELLED, 1),
        ("job-deleted", Stage.CANCELLED, 0),
    ],
)
async def test_whenever_a_cancellation_dies_the_next_one_makes_it_good(
    apart: Apart, tmp_path: Path, point: str, stage: Stage, made: int
) -> None:
    await start_with_doomed(apart, "SCHEDULER", point)
    request_id, process = await start_patient(apart, tmp_path)
    with no_answer():
        await apart.cancel("patient", request_id)
    await apart.dies("SCHEDULER")
    assert await recorded(tmp_path) == {request_id: stage}
    assert len(jobs(tmp_path)) == made

    await apart.start("SCHEDULER")
    await apart.cancel("patient", request_id)
    assert await stages(apart) == {request_id: "CANCELLED"}
    await until(lambda: not is_alive(process))
    assert not job_folder(tmp_path, request_id).exists()


async def test_a_tag_whose_answer_died_is_there_and_can_be_given_again(apart: Apart) -> None:
    await start_with_doomed(apart, "SCHEDULER", "tag-recorded")
    request_id = await apart.submit("hello-world", HELLO)
    await apart.finished("hello-world", request_id)
    with no_answer():
        await apart.retag("hello-world", request_id, "monday")
    await apart.dies("SCHEDULER")

    await apart.start("SCHEDULER")
    for _ in range(2):
        (tagged,) = await apart.get("/algorithm/v1/results/tags/monday")
        assert tagged["requestId"] == request_id
        await apart.retag("hello-world", request_id, "monday")


# The receiver.


@pytest.mark.parametrize(
    ("point", "stage"),
    [
        ("before-completion", Stage.RUNNING),
        ("completion-recorded", Stage.COMPLETED),
        ("before-call-back", Stage.COMPLETED),
    ],
)
async def test_whenever_a_completion_dies_it_is_sent_again_and_counts_once(
    apart: Apart, tmp_path: Path, point: str, stage: Stage
) -> None:
    await start_with_doomed(apart, "RECEIVER", point)
    request_id = await apart.submit("hello-world", HELLO)
    await apart.dies("RECEIVER")
    await until(lambda: wants_to_report(tmp_path, request_id))
    assert await stages(apart) == {request_id: stage}

    await apart.start("RECEIVER")
    await completes_once(apart, tmp_path, request_id)
    ended = job_folder(tmp_path, request_id) / "attempt-0.exit"
    await until(ended.exists)
    # The algorithm was answered with a 202, or it would have gone on or have failed.
    assert number_in(ended) == 0


@pytest.mark.parametrize("point", ["completion-recorded", "before-call-back"])
async def test_who_waits_hears_of_a_result_whose_receiver_died_before_it_told_anybody(
    apart: Apart, tmp_path: Path, point: str
) -> None:
    await start_with_doomed(apart, "RECEIVER", point)
    request_id = await apart.submit("hello-world", HELLO)
    # Nobody starts a receiver again: the waiting scheduler looks into the store by itself, and not
    # only when there is no more time to wait.
    await apart.finished("hello-world", request_id, wait="5m")
    await completes_once(apart, tmp_path, request_id)
    await apart.dies("RECEIVER")
