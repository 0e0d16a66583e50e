"""The tool that runs tests of alerts."""

from pathlib import Path

import pytest

from support.required import cached
from tools.testbed.prometheus.distribution import program


@pytest.fixture(scope="session")
def promtool() -> Path:
    return cached(program)
