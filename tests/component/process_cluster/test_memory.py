"""What happens to pods that use more memory than they may."""

from datetime import timedelta
from typing import Any

from nexus_core.adapters.process.cluster import ProcessCluster
from support.clusters import Witness, a_manifest, a_run_key, exit_rule
from support.processes import OpenCluster

FATAL = {"rules": [exit_rule("FailJob", 137)]}

OFTEN = timedelta(milliseconds=5)

# Not more than it must be: the machine may be a small one, and tests run side by side.
HOLD_TOO_MUCH = "held = bytearray(80 * 1024 * 1024); import time; time.sleep(600)"


def python(program: str, limit: str) -> dict[str, Any]:
    return {
        "command": ["python3", "-S", "-c", program],
        "resources": {"limits": {"memory": limit}},
    }


async def test_a_pod_over_its_limit_is_killed_and_says_so(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    manifest = a_manifest(
        key, container=python(HOLD_TOO_MUCH, "64Mi"), podFailurePolicy=FATAL, backoffLimit=3
    )
    await cluster.create_job(key, manifest)

    told = await witness.sees_finished(key)

    assert told.reason == "PodFailurePolicy"
    assert (told.exit_code, told.termination_reason) == (137, "OOMKilled")
    pod = await witness.sees(key, "OOMKilled")
    assert "limit of 64Mi" in pod.message
    status = await cluster.find_job(key)
    assert status is not None
    assert (status.exit_code, status.termination_reason) == (137, "OOMKilled")


async def test_what_a_child_uses_counts(cluster: ProcessCluster, witness: Witness) -> None:
    key = a_run_key()
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', '''{HOLD_TOO_MUCH}'''])"
    )
    manifest = a_manifest(key, container=python(program, "64Mi"), podFailurePolicy=FATAL)
    await cluster.create_job(key, manifest)

    assert (await witness.sees_finished(key)).termination_reason == "OOMKilled"


async def test_memory_that_processes_share_counts_once(
    open_cluster: OpenCluster,
) -> None:
    key = a_run_key()
    # Two processes that hold the same 40 MB: 80 MB for whoever counts them twice.
    program = (
        "held = bytearray(40 * 1024 * 1024); import os, time; child = os.fork(); time.sleep(0.3);"
        "child and os.waitpid(child, 0)"
    )
    async with open_cluster(memory_sample=OFTEN) as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, container=python(program, "64Mi")))

        assert (await witness.sees_finished(key)).reason == "Completed"


async def test_a_pod_within_its_limit_is_left_alone(open_cluster: OpenCluster) -> None:
    key = a_run_key()
    program = "held = bytearray(80 * 1024 * 1024); import time; time.sleep(0.1)"
    async with open_cluster(memory_sample=OFTEN) as cluster, Witness(cluster) as witness:
        await cluster.create_job(key, a_manifest(key, container=python(program, "256Mi")))

        assert (await witness.sees_finished(key)).reason == "Completed"


async def test_a_pod_that_is_killed_for_memory_is_repeated_like_any_other(
    cluster: ProcessCluster, witness: Witness
) -> None:
    key = a_run_key()
    manifest = a_manifest(key, container=python(HOLD_TOO_MUCH, "64Mi"), backoffLimit=1)
    await cluster.create_job(key, manifest)

    await witness.sees(key, "OOMKilled")

    status = await cluster.find_job(key)
    assert status is not None
    assert status.finished_at is None
