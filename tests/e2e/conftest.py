from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.standalone import Standalone, a_standalone


@pytest.fixture
async def standalone(tmp_path: Path) -> AsyncIterator[Standalone]:
    async with a_standalone(tmp_path) as opened:
        yield opened
