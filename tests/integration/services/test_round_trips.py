"""What a run costs the servers, as the architecture has it."""

import pytest

from benchmarks.real.contests import Arena
from benchmarks.real.ground import open_ground
from benchmarks.real.round_trips import count_round_trips
from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    S3Description,
)

pytestmark = pytest.mark.integration

RUNS = 100


async def test_a_run_asks_each_server_as_often_as_the_architecture_says(
    testbed: Description,
    cassandra_server: CassandraDescription,  # noqa: ARG001 - must run
    s3_server: S3Description,  # noqa: ARG001 - likewise
    kubernetes_server: KubernetesDescription,  # noqa: ARG001 - likewise
) -> None:
    async with open_ground(testbed) as ground, Arena.open(ground, rounds=0) as arena:
        counts = await count_round_trips(arena, RUNS)

    counted = {one.what: one.each(RUNS) for one in counts}
    assert counted == {one.what: one.designed for one in counts}
    # Leases, lists of what is open, heartbeats: a few in all, however many runs there are.
    assert max(one.beside(RUNS) for one in counts) < RUNS / 4
