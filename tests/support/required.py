"""What tests need beside the code: where it can't be had they are skipped; in CI they fail."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tools.testbed.builds import Say
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

T = TypeVar("T")


def required(get: Callable[[], T], *, excused: bool = False) -> T:
    """Return what `get` does; `excused` is a machine that can't have it, in CI too."""
    try:
        return get()
    except TestbedError as error:
        if os.environ.get("CI") and not excused:
            raise
        pytest.skip(str(error))


def cached(make: Callable[[Path, Say], Awaitable[Path]]) -> Path:
    """Return what is built once, like the testbed's servers, and kept with them."""

    async def made() -> Path:
        return await make(Places.from_environment().cache, print)

    return required(lambda: asyncio.run(made()))
