"""Others' definitions, fetched once like the testbed's servers."""

from pathlib import Path

import pytest

from support.helm import cached
from tools.testbed.prometheus_operator import definitions


@pytest.fixture(scope="session")
def operator_definitions() -> Path:
    """A folder with the definitions of `ServiceMonitor` and `PrometheusRule`."""
    return cached(definitions)
