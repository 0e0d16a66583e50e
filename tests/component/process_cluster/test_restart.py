"""What becomes of Jobs when our process ends, in whatever way, and another one begins."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nexus_core.adapters.process.state import Doom
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from support.clock import ManualClock
from support.clusters import (
    IGNORE_DISRUPTION,
    Witness,
    a_manifest,
    a_run_key,
    exit_rule,
    until_gone,
)
from support.processes import OpenCluster, is_alive, number_in, until

UNTIL_TOLD = "echo $$ >>pids; while [ ! -e go ]; do sleep 0.01; done; exit 3"
"""Notes each of its starts, and ends when the test says so."""


def file_of(root: Path, key: RunKey, name: str) -> Path:
    return root / "jobs" / key.request_id / name


def shim_of(root: Path, key: RunKey) -> int:
    return number_in(file_of(root, key, "attempt-0.claim")) or 0


def starts_in(directory: Path) -> list[int]:
    pids = directory / "pids"
    return [int(pid) for pid in pids.read_text().split()] if pids.exists() else []


@pytest.fixture
async def left_running(open_cluster: OpenCluster, directory: Path) -> RunKey:
    """A Job whose pod runs, while no cluster is open."""
    key = a_run_key()
    policy = {"rules": [IGNORE_DISRUPTION, exit_rule("FailJob", 137)]}
    manifest = a_manifest(
        key, UNTIL_TOLD, podFailurePolicy=policy, activeDeadlineSeconds=100, backoffLimit=0
    )
    async with open_cluster() as cluster:
        await cluster.create_job(key, manifest)
        await until(lambda: starts_in(directory))
    return key


def rewrite_state(root: Path, key: RunKey, **changes: Any) -> None:
    file = file_of(root, key, "state.json")
    file.write_bytes(msgspec.json.encode(msgspec.json.decode(file.read_bytes()) | changes))


@pytest.mark.usefixtures("left_running")
async def test_closing_leaves_pods_running(directory: Path) -> None:
    assert is_alive(starts_in(directory)[0])


async def test_a_pod_that_runs_is_taken_up_again(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path
) -> None:
    async with open_cluster() as cluster, Witness(cluster) as witness:
        status = await cluster.find_job(left_running)
        assert status is not None
        assert status.phase is JobPhase.ACTIVE
        assert status.started
        await witness.sees(left_running, "Started")

        (directory / "go").touch()

        told = await witness.sees_finished(left_running)
        assert told.exit_code == 3
    assert len(starts_in(directory)) == 1


async def test_a_pod_taken_up_again_can_be_deleted(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path
) -> None:
    async with open_cluster() as cluster:
        assert await cluster.delete_job(left_running)

        assert not is_alive(starts_in(directory)[0])


async def test_a_pod_taken_up_again_counts_among_those_that_run(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path
) -> None:
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        second = a_run_key()
        await cluster.create_job(second, a_manifest(second))
        await witness.sees(left_running, "Started")
        assert witness.reasons(second) == []

        (directory / "go").touch()

        await witness.sees_finished(second)


async def test_an_older_job_does_not_take_the_place_of_a_pod_that_runs(
    open_cluster: OpenCluster, directory: Path, clock: ManualClock
) -> None:
    older, running = a_run_key(), a_run_key()
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await cluster.create_job(older, a_manifest(older, "exit 1", backoffLimit=1))
        await witness.sees(older, "Error")
        await cluster.create_job(running, a_manifest(running, UNTIL_TOLD))
        await until(lambda: starts_in(directory))
    await clock.advance(60)

    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        await witness.sees(running, "Started")
        (directory / "go").touch()
        await witness.sees_finished(older)

        live = [(seen.key, seen.reason) for seen in witness.seen]
        assert live.index((running, "BackoffLimitExceeded")) < live.index(
            (older, "BackoffLimitExceeded")
        )
        assert live.count((older, "Started")) == 2


async def test_all_pods_that_run_are_taken_up_though_there_are_fewer_places_now(
    open_cluster: OpenCluster, directory: Path
) -> None:
    first, second = a_run_key(), a_run_key()
    async with open_cluster(max_pods=2) as cluster, Witness(cluster) as witness:
        await cluster.create_job(first, a_manifest(first, UNTIL_TOLD))
        await cluster.create_job(second, a_manifest(second, f"cd ..; {UNTIL_TOLD}"))
        await witness.sees(second, "Started")
        # Told when they are spawned; what is found again is what has begun.
        await until(lambda: starts_in(directory) and starts_in(directory.parent))

    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        (directory.parent / "go").touch()

        assert (await witness.sees_finished(second)).exit_code == 3
        assert witness.reasons(first) == ["Started"]


async def test_a_pod_that_ended_meanwhile_is_settled(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    (directory / "go").touch()
    await until(lambda: not is_alive(shim_of(root, left_running)))

    async with open_cluster() as cluster, Witness(cluster) as witness:
        told = await witness.sees_finished(left_running)

    assert told.exit_code == 3
    assert len(starts_in(directory)) == 1


async def test_a_pod_that_disappeared_meanwhile_was_disrupted_and_is_repeated(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path, clock: ManualClock
) -> None:
    os.killpg(shim_of(root, left_running), signal.SIGKILL)
    await until(lambda: not is_alive(shim_of(root, left_running)))

    async with open_cluster() as cluster, Witness(cluster) as witness:
        told = await witness.sees(left_running, "Error")
        assert told.exit_code == 137
        await clock.advance(1)
        await until(lambda: len(starts_in(directory)) == 2)
        (directory / "go").touch()

        assert (await witness.sees_finished(left_running)).exit_code == 3


async def test_without_a_rule_for_it_a_pod_that_disappeared_has_failed(
    open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    key = a_run_key()
    async with open_cluster() as cluster:
        await cluster.create_job(key, a_manifest(key, UNTIL_TOLD))
        await until(lambda: starts_in(directory))
    os.killpg(shim_of(root, key), signal.SIGKILL)
    await until(lambda: not is_alive(shim_of(root, key)))

    async with open_cluster() as cluster, Witness(cluster) as witness:
        told = await witness.sees_finished(key)

    assert (told.reason, told.exit_code) == ("BackoffLimitExceeded", 137)
    assert told.termination_reason == "Error"


async def test_what_a_disappeared_shim_left_behind_is_ended(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    os.kill(shim_of(root, left_running), signal.SIGKILL)
    await until(lambda: not is_alive(shim_of(root, left_running)))
    survivor = starts_in(directory)[0]
    assert is_alive(survivor)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        await witness.sees(left_running, "Error")

        await until(lambda: not is_alive(survivor))


async def test_a_process_that_got_the_number_of_a_shim_is_left_alone(
    left_running: RunKey, open_cluster: OpenCluster, root: Path, tmp_path: Path
) -> None:
    os.killpg(shim_of(root, left_running), signal.SIGKILL)
    script = "sleep 600 & echo $! >member; wait"
    stranger = await asyncio.create_subprocess_exec(
        *("sh", "-c", script), start_new_session=True, cwd=tmp_path
    )
    await until(lambda: number_in(tmp_path / "member"))
    file_of(root, left_running, "attempt-0.claim").write_text(f"{stranger.pid}\n")
    try:
        async with open_cluster() as cluster, Witness(cluster) as witness:
            told = await witness.sees(left_running, "Error")
            await cluster.delete_job(left_running)

        assert told.exit_code == 137
        assert is_alive(stranger.pid)
        assert is_alive(number_in(tmp_path / "member") or 0)
    finally:
        os.killpg(stranger.pid, signal.SIGKILL)
        await stranger.wait()


@pytest.mark.parametrize("claim", ["", "12", "-1\n", "x\n"])
async def test_a_claim_that_was_never_finished_is_a_try_that_disappeared(
    left_running: RunKey, open_cluster: OpenCluster, root: Path, claim: str
) -> None:
    os.killpg(shim_of(root, left_running), signal.SIGKILL)
    file_of(root, left_running, "attempt-0.claim").write_text(claim)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        assert (await witness.sees(left_running, "Error")).exit_code == 137


async def test_a_job_that_waited_for_a_place_is_started(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path
) -> None:
    waiting = a_run_key()
    async with open_cluster(max_pods=1) as cluster:
        handle = await cluster.create_job(waiting, a_manifest(waiting))

    (directory / "go").touch()
    async with open_cluster(max_pods=1) as cluster, Witness(cluster) as witness:
        told = await witness.sees_finished(waiting)
        await witness.sees_finished(left_running)

    assert told.reason == "Completed"
    assert told.job_uid == handle.uid


async def test_the_wait_between_tries_goes_on(
    open_cluster: OpenCluster, clock: ManualClock
) -> None:
    key = a_run_key()
    settings = {"back_off_base": timedelta(seconds=10)}
    async with open_cluster(**settings) as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, "exit 1", backoffLimit=1))
        await witness.sees(key, "Error")
    await clock.advance(6)

    async with open_cluster(**settings) as cluster, Witness(cluster) as witness:
        await clock.advance(3)
        assert witness.reasons(key) == ["Started", "Error"]
        await clock.advance(1)
        await witness.sees(key, "BackoffLimitExceeded")


async def test_the_deadline_counts_from_the_first_start(
    left_running: RunKey, open_cluster: OpenCluster, clock: ManualClock
) -> None:
    await clock.advance(99)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        await witness.sees(left_running, "Started")
        await clock.advance(1)

        assert (await witness.sees_finished(left_running)).reason == "DeadlineExceeded"


async def test_a_deadline_that_passed_meanwhile_ends_the_pod(
    left_running: RunKey, open_cluster: OpenCluster, clock: ManualClock, directory: Path
) -> None:
    await clock.advance(1000)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        assert (await witness.sees_finished(left_running)).reason == "DeadlineExceeded"

    assert not is_alive(starts_in(directory)[0])


async def test_a_kill_for_memory_that_was_only_recorded_is_carried_out(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    rewrite_state(root, left_running, doom=Doom.MEMORY.value)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        told = await witness.sees_finished(left_running)

    assert told.reason == "PodFailurePolicy"
    assert (told.exit_code, told.termination_reason) == (137, "OOMKilled")
    assert not is_alive(starts_in(directory)[0])


async def test_a_kill_for_memory_whose_end_nobody_saw_says_so(
    left_running: RunKey, open_cluster: OpenCluster, root: Path
) -> None:
    rewrite_state(root, left_running, doom=Doom.MEMORY.value)
    os.killpg(shim_of(root, left_running), signal.SIGKILL)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        told = await witness.sees_finished(left_running)

    assert (told.exit_code, told.termination_reason) == (137, "OOMKilled")


async def test_a_deletion_that_was_only_recorded_is_carried_out(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    rewrite_state(root, left_running, doom=Doom.DELETION.value)

    async with open_cluster() as cluster:
        await until_gone(cluster, left_running)

    assert not is_alive(starts_in(directory)[0])
    assert not file_of(root, left_running, "").exists()


async def test_a_finished_job_is_kept_for_the_rest_of_its_time(
    open_cluster: OpenCluster, clock: ManualClock
) -> None:
    key = a_run_key()
    async with open_cluster() as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, ttlSecondsAfterFinished=300))
        await witness.sees_finished(key)
        before = await cluster.find_job(key)
    await clock.advance(200)

    async with open_cluster() as cluster, Witness(cluster) as witness:
        assert (await witness.sees_finished(key)).reason == "Completed"
        assert await cluster.find_job(key) == before
        await clock.advance(99)
        assert await cluster.find_job(key) == before
        await clock.advance(1)
        await until_gone(cluster, key)


async def test_half_a_job_is_removed(open_cluster: OpenCluster, root: Path) -> None:
    folder = root / "jobs" / "0192e4a0-0000-7000-8000-000000000001"
    folder.mkdir(parents=True)
    (folder / "job.new").write_text('{"record"')

    async with open_cluster() as cluster:
        assert [status async for status in cluster.jobs()] == []

    assert not folder.exists()


async def test_a_state_that_can_not_be_read_is_found_out_again(
    left_running: RunKey, open_cluster: OpenCluster, directory: Path, root: Path
) -> None:
    file_of(root, left_running, "state.json").write_text("")

    async with open_cluster() as cluster, Witness(cluster) as witness:
        (directory / "go").touch()

        assert (await witness.sees_finished(left_running)).exit_code == 3
    assert len(starts_in(directory)) == 1


async def test_two_processes_can_not_share_a_folder(open_cluster: OpenCluster) -> None:
    async with open_cluster():
        with pytest.raises(UnavailableError, match="in use by another process"):
            async with open_cluster():
                pass


@asynccontextmanager
async def child_that_creates(
    root: Path, directory: Path, jobs: int, script: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("create_until_killed.py"),
        *(root, directory, str(jobs), script),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_killed_in_the_middle_each_job_runs_to_its_end_once(
    open_cluster: OpenCluster, root: Path, directory: Path
) -> None:
    script = "echo $HOSTNAME >>begun; sleep 0.05; echo $HOSTNAME >>ended"
    async with child_that_creates(root, directory, 40, script) as child:
        assert child.stdout is not None
        names = [(await child.stdout.readline()).decode().strip() for _ in range(40)]
        await until((directory / "ended").exists)
        child.kill()
        await child.wait()

    async with open_cluster(max_pods=4) as cluster, Witness(cluster) as witness:
        for name in names:
            told = await witness.sees_finished(RunKey("hello-world", name))
            assert told.reason == "Completed"

    assert sorted((directory / "begun").read_text().split()) == sorted(names)
    assert sorted((directory / "ended").read_text().split()) == sorted(names)
