"""The tool that runs tests of alerts."""

import asyncio
import os
from pathlib import Path

import pytest

from tools.testbed.errors import TestbedError
from tools.testbed.places import Places
from tools.testbed.prometheus.distribution import program


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Return the tool, built once and kept; without Go, tests are skipped, but not in CI."""
    try:
        return asyncio.run(program(Places.from_environment().cache, print))
    except TestbedError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
