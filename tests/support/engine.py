"""The Docker engine that tests of images and of the stack run containers in."""

import pytest

from support.required import required
from tools.testbed.engine import server
from tools.testbed.engine.client import Docker, engine
from tools.testbed.places import Places


@pytest.fixture(scope="session")
def docker() -> Docker:
    """Where no engine answers a test is skipped; in CI it fails, unless there can't be one."""
    return required(lambda: engine(Places.from_environment()), excused=bool(server.obstacle()))
