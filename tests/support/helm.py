"""Helm, built once like the testbed's servers."""

from pathlib import Path

import pytest

from support.charts import Helm
from support.required import cached
from tools import helm


@pytest.fixture(scope="session")
def helm_program() -> Path:
    return cached(helm.program)


@pytest.fixture(scope="session")
def offline_helm(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"))
