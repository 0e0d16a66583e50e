import pytest

from support.sweeping import Told


@pytest.fixture
def told() -> Told:
    return Told()
