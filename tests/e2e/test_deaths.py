"""Standalone kills itself at a named point; the next one, on the same data, makes it good.

The points are those of `docs/request-lifecycle.md`; `support.fail_points` brings them in.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from nexus_core.domain.stages import Stage
from support.caller import PATIENCE, REPOSITORY, no_answer
from support.left_behind import (
    grow_old,
    job_folder,
    jobs,
    payloads,
    recorded,
    tries,
    wants_to_report,
)
from support.processes import end_pods, is_alive, number_in, until
from support.standalone import Standalone

HELLO = {"algorithmParameters": {"name": "Ada"}}
GREETING = {"greeting": "Hello, Ada!"}

PATIENT = {
    "NEXUS__CATALOGUE__PATHS": f"{REPOSITORY / 'examples'},{REPOSITORY / 'tests/support/patient'}"
}

# A supervisor in a hurry: what it finds, and not how patient it is, is asked here.
HASTE = {
    "NEXUS__SWEEP__INTERVAL": "100ms",
    "NEXUS__SWEEP__STRAGGLER_GRACE": "100ms",
    "NEXUS__SWEEP__JOB_MISSING_GRACE": "100ms",
}

# Two runs get a Job; the third waits longer than any test.
TWO_PLACES = {
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_PER_SECOND": "0.001",
    "NEXUS__S3_BUFFER__BUFFER_CONFIG__RATE_LIMIT_ELEMENTS_BURST": "2",
}


@dataclass(frozen=True)
class PatientRun:
    """A run that ends when it is told to."""

    request_id: str
    folder: Path

    @property
    def pid(self) -> int | None:
        """The process of its algorithm, once it has begun."""
        return number_in(self.folder / "begun")

    def lives(self) -> bool:
        return self.pid is not None and is_alive(self.pid)


@pytest.fixture
async def standalone(standalone: Standalone) -> AsyncIterator[Standalone]:
    """Leave no algorithm running that waits for its test."""
    yield standalone
    if standalone.process is not None and standalone.process.returncode is None:
        await standalone.kill()
    end_pods(standalone.folder / "data/cluster")


async def start_patient(standalone: Standalone, parent: PatientRun | None = None) -> PatientRun:
    """Submit a run that ends when it is told to, below another one if there is one."""
    folder = standalone.folder / f"patient-{len(list(standalone.folder.glob('patient-*')))}"
    folder.mkdir()
    body: dict[str, Any] = {"algorithmParameters": {"folder": str(folder)}}
    if parent is not None:
        body["parentRequest"] = {"requestId": parent.request_id, "algorithmName": "patient"}
    return PatientRun(await standalone.submit("patient", body), folder)


async def stages(standalone: Standalone) -> dict[str, str]:
    """Return what clients are told of each run."""
    return {run["requestId"]: run["status"] for run in await standalone.runs()}


async def completes_once(standalone: Standalone, request_id: str) -> None:
    """Expect a run of `hello-world` to end well, in one try, and to be the only one there is."""
    result = await standalone.finished("hello-world", request_id)
    assert result["status"] == "COMPLETED"
    assert await standalone.fetch(result["resultUri"]) == GREETING
    assert await stages(standalone) == {request_id: "COMPLETED"}
    assert tries(standalone.folder, request_id) == 1


# Making it durable.


async def test_a_death_before_the_record_leaves_a_payload_that_nobody_asks_for(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("payload-stored")
    with no_answer():
        await standalone.submit("hello-world", HELLO, "a-key")
    await standalone.dies()
    (payload,) = payloads(standalone.folder, "hello-world")
    assert await recorded(standalone.folder) == {}

    await standalone.start()
    assert await stages(standalone) == {}
    again = await standalone.submit("hello-world", HELLO, "a-key")
    assert again != payload
    await completes_once(standalone, again)


async def test_a_run_whose_202_died_goes_its_way_and_answers_for_the_next_try(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("run-recorded")
    with no_answer():
        await standalone.submit("hello-world", HELLO, "a-key")
    await standalone.dies()
    ((request_id, stage),) = (await recorded(standalone.folder)).items()
    assert stage is Stage.BUFFERED

    await standalone.start()
    assert await standalone.submit("hello-world", HELLO, "a-key") == request_id
    await completes_once(standalone, request_id)


# Starting the Job.


@pytest.mark.parametrize(("point", "jobs_left"), [("before-job-creation", 0), ("job-created", 1)])
async def test_a_death_around_the_creation_of_a_job_makes_it_once(
    standalone: Standalone, point: str, jobs_left: int
) -> None:
    await standalone.start_doomed(point)
    # The launch is no part of the request: which of the two is quicker is left to them.
    with contextlib.suppress(aiohttp.ClientError):
        await standalone.submit("hello-world", HELLO)
    await standalone.dies()
    ((request_id, stage),) = (await recorded(standalone.folder)).items()
    assert stage is Stage.BUFFERED
    assert len(jobs(standalone.folder)) == jobs_left

    await standalone.start()
    await completes_once(standalone, request_id)


# Running, and reporting the result.


async def test_an_algorithm_that_ends_while_standalone_is_away_reports_when_it_is_back(
    standalone: Standalone,
) -> None:
    await standalone.start(**PATIENT)
    run = await start_patient(standalone)
    await until(lambda: run.pid)
    await standalone.kill()
    (run.folder / "go").touch()
    log = job_folder(standalone.folder, run.request_id) / "attempt-0.log"
    await until(lambda: "trying again" in log.read_text("utf-8"))

    await standalone.start(**PATIENT)
    result = await standalone.finished("patient", run.request_id)
    assert result["status"] == "COMPLETED"
    assert await standalone.fetch(result["resultUri"]) == {"pid": run.pid}
    assert tries(standalone.folder, run.request_id) == 1


async def test_a_completion_that_died_before_its_record_is_sent_again(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("before-completion")
    request_id = await standalone.submit("hello-world", HELLO)
    await standalone.dies()
    await until(lambda: wants_to_report(standalone.folder, request_id))
    assert (await recorded(standalone.folder))[request_id] in {Stage.BUFFERED, Stage.RUNNING}

    await standalone.start()
    await completes_once(standalone, request_id)


async def test_a_completion_that_died_after_its_record_is_sent_again_and_changes_nothing(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("completion-recorded")
    request_id = await standalone.submit("hello-world", HELLO)
    await standalone.dies()
    await until(lambda: wants_to_report(standalone.folder, request_id))
    assert await recorded(standalone.folder) == {request_id: Stage.COMPLETED}

    await standalone.start()
    (before,) = await standalone.runs()
    ended = job_folder(standalone.folder, request_id) / "attempt-0.exit"
    await until(ended.exists)
    # The algorithm was answered with a 202, or it would have gone on or have failed.
    assert number_in(ended) == 0
    assert await standalone.runs() == [before]
    await completes_once(standalone, request_id)


# Cancelling.


async def test_a_job_whose_cancellation_died_is_deleted_by_the_sweep(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("cancel-recorded", **PATIENT)
    run = await start_patient(standalone)
    await until(lambda: run.pid)
    with no_answer():
        await standalone.cancel("patient", run.request_id)
    await standalone.dies()
    assert await recorded(standalone.folder) == {run.request_id: Stage.CANCELLED}
    assert run.lives()

    await standalone.start(**PATIENT, **HASTE)
    await until(lambda: not job_folder(standalone.folder, run.request_id).exists())
    assert not run.lives()
    result = await standalone.finished("patient", run.request_id)
    assert (result["status"], result["runErrorMessage"]) == ("CANCELLED", "Cancelled by Ada.")


@pytest.mark.parametrize("cancelled", [1, 2])
async def test_children_whose_cancellation_died_are_cancelled_in_their_turn_or_by_another(
    standalone: Standalone, cancelled: int
) -> None:
    await standalone.start_doomed("cancel-recorded", cancelled, **PATIENT, **TWO_PLACES)
    parent = await start_patient(standalone)
    await until(lambda: parent.pid)
    running = await start_patient(standalone, parent)
    await until(lambda: running.pid)
    queued = await start_patient(standalone, parent)
    with no_answer():
        await standalone.cancel("patient", parent.request_id)
    await standalone.dies()
    left = await recorded(standalone.folder)
    assert left[parent.request_id] is Stage.CANCELLED
    assert list(left.values()).count(Stage.CANCELLED) == cancelled

    await standalone.start(**PATIENT, **HASTE)
    assert (await standalone.finished("patient", queued.request_id))["status"] == "CANCELLED"
    await standalone.cancel("patient", parent.request_id)
    assert set((await stages(standalone)).values()) == {"CANCELLED"}
    await until(lambda: not parent.lives() and not running.lives())
    assert queued.pid is None


async def test_a_child_whose_job_went_with_its_parents_is_recorded_as_cancelled(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("job-deleted", **PATIENT)
    parent = await start_patient(standalone)
    await until(lambda: parent.pid)
    child = await start_patient(standalone, parent)
    await until(lambda: child.pid)
    with no_answer():
        await standalone.cancel("patient", parent.request_id)
    await standalone.dies()
    assert not child.lives()

    await standalone.start(**PATIENT, **HASTE)
    result = await standalone.finished("patient", child.request_id)
    assert result["status"] == "CANCELLED"
    assert "with its parent" in result["runErrorMessage"]


# The supervisor itself.


async def test_a_job_whose_verdict_died_with_the_supervisor_is_deleted_by_the_next(
    standalone: Standalone,
) -> None:
    await standalone.start_doomed("before-job-deletion")
    request_id = await standalone.submit("does-not-start", {"algorithmParameters": {}})
    await standalone.dies()
    assert await recorded(standalone.folder) == {request_id: Stage.SCHEDULING_FAILED}
    assert job_folder(standalone.folder, request_id).exists()

    # No sweep minds that it is still there: it is told again.
    await standalone.start(NEXUS__SWEEP__STRAGGLER_GRACE="1h")
    await until(lambda: not job_folder(standalone.folder, request_id).exists())
    assert await stages(standalone) == {request_id: "SCHEDULING_FAILED"}


# Removing what has had its time.


async def test_records_whose_removal_died_are_all_gone_in_the_end(standalone: Standalone) -> None:
    await standalone.start()
    for _ in range(3):
        await standalone.finished("hello-world", await standalone.submit("hello-world", HELLO))
    await standalone.stop()
    await grow_old(standalone.folder, days=31)

    await standalone.start_doomed(
        "records-removed", NEXUS__RETENTION__INTERVAL="3s", NEXUS__RETENTION__PORTION="2"
    )
    await standalone.dies()
    # The first portion of them went before it could be remembered.
    assert len(await recorded(standalone.folder)) == 1

    await standalone.start(NEXUS__RETENTION__INTERVAL="100ms")
    async with asyncio.timeout(PATIENCE):
        while await stages(standalone):
            pass
    await standalone.stop()
    assert await recorded(standalone.folder) == {}
    assert not payloads(standalone.folder, "hello-world")
