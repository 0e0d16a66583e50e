"""What is not asked of a cluster that is known to be away."""

from collections.abc import Awaitable, Callable

import pytest

from nexus_core.aio.circuit import CircuitOpenError, CircuitPace
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.operations.guarded_cluster import GuardedCluster, guard_clusters
from support.clock import ManualClock
from support.scripted_cluster import ScriptedCluster

KEY = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001")


async def list_jobs(cluster: GuardedCluster) -> object:
    return [job async for job in cluster.jobs()]


async def follow(cluster: GuardedCluster) -> object:
    async with cluster.follow_log(KEY, 10) as log:
        return log


Call = Callable[[GuardedCluster], Awaitable[object]]
CALLS: dict[str, Call] = {
    "create": lambda cluster: cluster.create_job(KEY, b"{}"),
    "find": lambda cluster: cluster.find_job(KEY),
    "delete": lambda cluster: cluster.delete_job(KEY),
    "list": list_jobs,
}
OF_NODES: dict[str, Call] = {"log": lambda cluster: cluster.log(KEY, 10), "follow": follow}


@pytest.fixture
def cluster(clock: ManualClock) -> ScriptedCluster:
    return ScriptedCluster(clock)


@pytest.fixture
def guarded(cluster: ScriptedCluster, clock: ManualClock) -> GuardedCluster:
    return guard_clusters({"europe": cluster}, clock, CircuitPace())["europe"]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_what_one_call_finds_out_spares_all_others(
    cluster: ScriptedCluster, guarded: GuardedCluster, call: Call
) -> None:
    cluster.refusal = UnavailableError("no route to host")
    with pytest.raises(UnavailableError, match="no route to host"):
        await call(guarded)

    # It would answer now, and nobody asks: that is left to who asks whether it is there.
    cluster.refusal = None
    for other in (*CALLS.values(), *OF_NODES.values()):
        with pytest.raises(CircuitOpenError, match="cluster europe"):
            await other(guarded)


@pytest.mark.parametrize("call", OF_NODES.values(), ids=OF_NODES)
async def test_a_node_that_does_not_answer_says_nothing_of_its_cluster(
    cluster: ScriptedCluster, guarded: GuardedCluster, call: Call
) -> None:
    cluster.log_refusal = UnavailableError("no route to node-7")
    for _ in range(10):
        with pytest.raises(UnavailableError, match="node-7"):
            await call(guarded)

    assert guarded.circuit.is_closed
