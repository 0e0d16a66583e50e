"""Helm, built once like the testbed's servers."""

import asyncio
import os
from pathlib import Path

import pytest

from support.charts import Helm
from tools import helm
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places


@pytest.fixture(scope="session")
def helm_program() -> Path:
    """Where it can't be built, a test is skipped; in CI it fails."""
    try:
        return asyncio.run(helm.program(Places.from_environment().cache, print))
    except TestbedError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def offline_helm(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"))
