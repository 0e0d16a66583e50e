"""The real servers that integration tests talk to."""

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tools.testbed.description import (
    CassandraDescription,
    Description,
    KubernetesDescription,
    NodeDescription,
    Part,
    S3Description,
    ServerName,
    read_description,
)
from tools.testbed.kubernetes.node.machine import obstacle
from tools.testbed.places import Places

P = TypeVar("P", bound=Part)


@pytest.fixture(scope="session")
def testbed() -> Description:
    """What is said of the running servers; who needs a certain one asks for it by its fixture."""
    return read_description(Places.from_environment())


def _server(name: ServerName, kind: type[P]) -> Callable[[Description], P]:
    """Return a fixture of one server. Where none runs, a test is skipped; in CI it fails."""

    @pytest.fixture(scope="session", name=f"{name}_server")
    def server(testbed: Description) -> P:
        part = testbed.part(name)
        if not isinstance(part, kind):
            missing = f"no {name} runs in the testbed: make testbed-up"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        return part

    return server


cassandra_server = _server("cassandra", CassandraDescription)
s3_server = _server("s3", S3Description)
kubernetes_server = _server("kubernetes", KubernetesDescription)


@pytest.fixture(scope="session")
def node_server(testbed: Description) -> NodeDescription:
    """A real node. A machine that can't have one skips the test, in CI too."""
    if testbed.node is None:
        why = obstacle()
        missing = f"no real node runs in the testbed: {why or 'make testbed-node'}"
        if os.environ.get("CI") and not why:
            pytest.fail(missing)
        pytest.skip(missing)
    return testbed.node
