"""What a real kubelet tells of containers' logs; those of KWOK have all printed the same."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase
from support.clusters import a_job, a_run_key
from support.kubernetes import TidyCluster, tidy_cluster
from support.waiting import until_so
from tools.testbed.description import KubernetesDescription, NodeDescription

# Not beside other pods of that node.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.xdist_group("real node"),
    pytest.mark.timeout(300),
]

# A container starts within seconds, unless the machine has much else to do.
POD_PATIENCE = 180.0
LIMIT = 64 * 1024


class Node:
    """Runs programs as Jobs of the real node."""

    def __init__(self, cluster: TidyCluster, node: NodeDescription) -> None:
        self.cluster = cluster
        self._node = node

    async def runs(self, program: str) -> RunKey:
        key = a_run_key()
        container = {"image": self._node.image, "command": ["python3", "-u", "-c", program]}
        job = a_job(key, container=container)
        job["spec"]["template"]["spec"] |= {
            "nodeSelector": {self._node.label: self._node.name},
            "tolerations": [{"key": self._node.taint, "operator": "Exists"}],
        }
        await self.cluster.create_job(key, msgspec.json.encode(job))
        return key

    async def has_run(self, program: str) -> RunKey:
        key = await self.runs(program)

        async def has_ended() -> bool:
            job = await self.cluster.find_job(key)
            return job is not None and job.phase is not JobPhase.ACTIVE

        await until_so(has_ended, POD_PATIENCE)
        return key

    async def log(self, key: RunKey, limit: int = LIMIT) -> LogTail:
        tail = await self.cluster.log(key, limit)
        assert tail is not None
        return tail


@pytest.fixture
async def node(
    node_server: NodeDescription, kubernetes_server: KubernetesDescription
) -> AsyncIterator[Node]:
    kubeconfig = Path(kubernetes_server.nexus_kubeconfig)
    async with tidy_cluster(kubeconfig, kubernetes_server.namespace) as cluster:
        yield Node(cluster, node_server)


async def test_a_short_log_is_whole(node: Node) -> None:
    key = await node.has_run("print('one'); print('zwölf'); raise SystemExit(3)")

    tail = await node.log(key)

    assert (tail.text, tail.truncated) == ("one\nzwölf\n", False)


async def test_of_a_long_log_the_very_end_is_told(node: Node) -> None:
    key = await node.has_run("for n in range(50_000): print(f'line {n:06} of very many')")

    tail = await node.log(key)

    assert tail.truncated
    assert len(tail.text) == LIMIT
    lines = tail.text.splitlines()[1:]
    first = 50_000 - len(lines)
    assert lines == [f"line {n:06} of very many" for n in range(first, 50_000)]


async def test_lines_that_a_runtime_has_cut_into_pieces_are_whole_again(node: Node) -> None:
    key = await node.has_run("print('a' * 50_000); print('b' * 50_000, end='')")

    tail = await node.log(key)
    whole = await node.log(key, 2 * LIMIT)

    assert tail.truncated
    assert tail.text == "a" * (LIMIT - 50_001) + "\n" + "b" * 50_000
    assert not whole.truncated
    assert whole.text == "a" * 50_000 + "\n" + "b" * 50_000


async def test_a_container_that_printed_nothing_has_no_log(node: Node) -> None:
    key = await node.has_run("raise SystemExit(3)")

    assert await node.cluster.log(key, LIMIT) is None


async def test_what_is_printed_is_followed_to_the_end_of_the_container(node: Node) -> None:
    key = await node.runs(
        "import time\nfor n in range(20):\n    print(f'line {n}')\n    time.sleep(0.1)"
    )
    await until_so(lambda: node.cluster.log(key, LIMIT), POD_PATIENCE)

    async with asyncio.timeout(POD_PATIENCE), node.cluster.follow_log(key, 100) as log:
        assert log is not None
        told = b"".join([chunk async for chunk in log.chunks])

    assert told.decode().splitlines() == [f"line {n}" for n in range(20)]
