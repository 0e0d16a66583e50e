"""What a pod is on this machine: its processes, its environment, its files."""

import ast
import os
import shutil
import signal
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from nexus_core.adapters.process.cluster import ProcessCluster
from nexus_core.domain.names import RunKey
from support.clock import ManualClock
from support.clusters import Witness, a_manifest, a_run_key
from support.processes import OpenCluster, is_alive, number_in, until


def log_of(root: Path, key: RunKey, attempt: int = 0) -> str:
    return (root / "jobs" / key.request_id / f"attempt-{attempt}.log").read_text()


async def test_output_and_errors_are_kept_in_the_log(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "echo out; echo err >&2"))

    await witness.sees_finished(key)

    assert log_of(root, key) == "out\nerr\n"


async def test_a_pod_gets_its_own_variables_and_none_of_our_secrets(
    open_cluster: OpenCluster, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXUS__S3_BUFFER__SECRET_ACCESS_KEY", "secret")
    key = a_run_key()
    variables = [
        {"name": "GREETING", "value": "hello"},
        {"name": "ALGORITHM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    async with open_cluster() as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, "env", container={"env": variables}))
        await witness.sees_finished(key)

    lines = log_of(root, key).splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert "GREETING=hello" in lines
    assert f"ALGORITHM={key.request_id}" in lines
    assert f"HOSTNAME={key.request_id}" in lines
    # The last three are the shell's own.
    assert names <= {
        *("GREETING", "ALGORITHM", "HOSTNAME", "PATH", "HOME", "LANG", "TMPDIR"),
        *("PWD", "OLDPWD", "_"),
    }


async def test_variables_that_no_shell_can_hold_reach_the_program(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    given = {"spring.profiles.active": "a=b", "my-var": "é", "OPTIND": "x", "IFS": "-", "PLAIN": ""}
    script = "import os, sys\nprint(sys.argv[1:], dict(os.environ), sep='\\n')"
    container = {
        "command": ["python3", "-c", script, "a word", "$x"],
        "env": [{"name": name, "value": value} for name, value in given.items()],
    }
    await cluster.create_job(key, a_manifest(key, container=container))

    await witness.sees_finished(key)

    words, environment = map(ast.literal_eval, log_of(root, key).splitlines())
    assert words == ["a word", "$x"]
    assert environment.items() >= given.items()
    assert "NEXUS__OTHER_VARIABLES" not in environment


async def test_python_is_the_one_that_runs_us(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    container = {"command": ["python3", "-c", "import sys; print(sys.prefix)"]}
    await cluster.create_job(key, a_manifest(key, container=container))

    await witness.sees_finished(key)

    assert log_of(root, key).strip() == sys.prefix


async def test_a_relative_program_is_found_from_the_working_directory(
    cluster: ProcessCluster, witness: Witness, directory: Path, root: Path
) -> None:
    program = directory / "bin" / "where"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\npwd\n")
    program.chmod(0o755)
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, container={"command": ["bin/where"]}))

    told = await witness.sees_finished(key)

    assert told.reason == "Completed"
    assert log_of(root, key).strip() == str(directory)


async def test_the_words_of_a_command_are_passed_as_they_are(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    words = ["$HOME", "a b", "'", '"', "*", ";exit 3", ""]
    container = {"command": ["printf", "%s|"], "args": words}
    await cluster.create_job(key, a_manifest(key, container=container))

    await witness.sees_finished(key)

    assert log_of(root, key) == "".join(f"{word}|" for word in words)


async def test_a_word_of_the_shell_is_no_program(cluster: ProcessCluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, container={"command": ["exit", "0"]}))

    told = await witness.sees(key, "Failed")

    assert 'exec: "exit": executable file not found in $PATH' in told.message


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("./absent", 'exec: "./absent": stat ./absent: no such file or directory'),
        ("./plain", 'exec: "./plain": permission denied'),
        ("/nowhere/absent", "no such file or directory"),
    ],
)
async def test_a_program_that_can_not_be_run_is_refused(
    cluster: ProcessCluster, witness: Witness, directory: Path, program: str, message: str
) -> None:
    (directory / "plain").write_text("#!/bin/sh\n")
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, container={"command": [program]}))

    told = await witness.sees(key, "Failed")

    assert message in told.message


async def test_without_its_working_directory_nothing_starts(
    cluster: ProcessCluster, witness: Witness, directory: Path
) -> None:
    shutil.rmtree(directory)
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key))

    told = await witness.sees(key, "Failed")

    assert str(directory) in told.message


async def test_a_refused_job_ends_at_its_deadline(
    cluster: ProcessCluster, witness: Witness, clock: ManualClock
) -> None:
    key = a_run_key()
    container = {"command": ["absent"]}
    await cluster.create_job(key, a_manifest(key, container=container, activeDeadlineSeconds=30))
    await witness.sees(key, "Failed")

    await clock.advance(30)

    assert (await witness.sees_finished(key)).reason == "DeadlineExceeded"


async def test_a_refused_job_can_be_deleted(cluster: ProcessCluster, witness: Witness) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, container={"command": ["absent"]}))
    await witness.sees(key, "Failed")

    assert await cluster.delete_job(key)
    assert await cluster.find_job(key) is None


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 255", 255), ("kill -TERM $$", 128 + 15), ("kill -KILL $$", 128 + 9)],
)
async def test_a_death_by_signal_is_an_exit_code(
    cluster: ProcessCluster, witness: Witness, script: str, code: int
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, script))

    told = await witness.sees_finished(key)

    assert told.exit_code == code
    assert told.termination_reason == "Error"


async def test_a_program_that_signals_its_own_group_still_tells_how_it_ended(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "trap 'exit 9' TERM; kill -TERM 0; sleep 600"))

    assert (await witness.sees_finished(key)).exit_code == 9


async def test_a_program_that_kills_its_own_group_is_killed(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "kill -KILL 0"))

    assert (await witness.sees_finished(key)).exit_code == 137


DISOBEDIENT = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); {};"
    "open('pid', 'w').write(f'{{os.getpid()}}\\n'); time.sleep(600)"
)
GRANDCHILDREN = pytest.mark.parametrize(
    "grandchild",
    [DISOBEDIENT.format("pass"), DISOBEDIENT.format("os.setpgid(0, 0)")],
    ids=["in the pod's process group", "in a process group of its own"],
)


@GRANDCHILDREN
async def test_deleting_a_job_ends_its_grandchildren(
    open_cluster: OpenCluster, directory: Path, grandchild: str
) -> None:
    key = a_run_key()
    async with open_cluster(kill_grace=timedelta(seconds=0.1)) as cluster:
        script = f'(python3 -S -c "{grandchild}" & wait) & wait'
        await cluster.create_job(key, a_manifest(key, script))
        await until(lambda: number_in(directory / "pid"))

        await cluster.delete_job(key)

        assert not is_alive(number_in(directory / "pid") or 0)


@GRANDCHILDREN
async def test_what_a_program_leaves_running_ends_with_its_pod(
    cluster: ProcessCluster, witness: Witness, directory: Path, grandchild: str
) -> None:
    key = a_run_key()
    script = f'python3 -S -c "{grandchild}" & while [ ! -s pid ]; do sleep 0.01; done'
    await cluster.create_job(key, a_manifest(key, script))

    await witness.sees_finished(key)

    assert not is_alive(number_in(directory / "pid") or 0)


async def test_a_deleted_pod_may_tidy_up(cluster: ProcessCluster, directory: Path) -> None:
    key = a_run_key()
    script = "trap 'echo 1 >tidied; exit 0' TERM; echo $$ >pid; while :; do sleep 0.02; done"
    await cluster.create_job(key, a_manifest(key, script))
    await until(lambda: number_in(directory / "pid"))

    await cluster.delete_job(key)

    assert number_in(directory / "tidied") == 1


async def test_a_pod_that_does_not_end_is_killed_after_the_grace(
    open_cluster: OpenCluster, directory: Path
) -> None:
    key = a_run_key()
    script = "trap '' TERM; echo $$ >pid; while :; do sleep 0.02; done"
    async with open_cluster(kill_grace=timedelta(seconds=0.1)) as cluster:
        await cluster.create_job(key, a_manifest(key, script))
        await until(lambda: number_in(directory / "pid"))

        await cluster.delete_job(key)

    assert not is_alive(number_in(directory / "pid") or 0)


async def test_a_pod_that_somebody_else_kills_has_failed(
    cluster: ProcessCluster, witness: Witness, directory: Path
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "echo $$ >pid; exec sleep 600"))
    await until(lambda: number_in(directory / "pid"))

    os.killpg(os.getpgid(number_in(directory / "pid") or 0), signal.SIGKILL)

    told = await witness.sees_finished(key)
    assert told.exit_code == 137
    assert told.termination_reason == "Error"


async def test_nothing_of_a_deleted_job_stays_on_disk(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key, "sleep 600"))
    await witness.sees(key, "Started")

    await cluster.delete_job(key)

    assert list((root / "jobs").iterdir()) == []


async def test_where_nothing_tells_of_a_death_it_is_found_out(
    cluster: ProcessCluster, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    ending, deleted = a_run_key(), a_run_key()
    await cluster.create_job(ending, a_manifest(ending, "exit 3"))
    await cluster.create_job(deleted, a_manifest(deleted, "sleep 600"))

    assert (await witness.sees_finished(ending)).exit_code == 3
    await witness.sees(deleted, "Started")
    assert await cluster.delete_job(deleted)


async def test_no_process_is_left_as_a_zombie(
    cluster: ProcessCluster, witness: Witness, root: Path
) -> None:
    key = a_run_key()
    await cluster.create_job(key, a_manifest(key))
    await witness.sees_finished(key)

    pid = number_in(root / "jobs" / key.request_id / "attempt-0.claim")

    assert not psutil.pid_exists(pid or 0)
