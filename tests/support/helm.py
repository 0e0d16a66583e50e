"""Helm, built once like the testbed's servers."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from support.charts import Helm
from tools import helm
from tools.testbed.builds import Say
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places


def cached(make: Callable[[Path, Say], Awaitable[Path]]) -> Path:
    """Where it can't be had, a test is skipped; in CI it fails."""

    async def made() -> Path:
        return await make(Places.from_environment().cache, print)

    try:
        return asyncio.run(made())
    except TestbedError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def helm_program() -> Path:
    return cached(helm.program)


@pytest.fixture(scope="session")
def offline_helm(helm_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm without a cluster."""
    return Helm(helm_program, tmp_path_factory.mktemp("helm"))
