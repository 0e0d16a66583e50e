"""The Docker engine that tests of images and of the stack run containers in."""

import os

import pytest

from tools.testbed.engine import server
from tools.testbed.engine.client import Docker, engine
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places


@pytest.fixture(scope="session")
def docker() -> Docker:
    """Where no engine answers a test is skipped; in CI it fails, unless there can't be one."""
    try:
        return engine(Places.from_environment())
    except TestbedError as error:
        if os.environ.get("CI") and not server.obstacle():
            raise
        pytest.skip(str(error))
