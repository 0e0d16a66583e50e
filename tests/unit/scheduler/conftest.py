"""What the parts of a scheduler are tried on."""

import pytest

from support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
