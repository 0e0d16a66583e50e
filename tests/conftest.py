"""What holds for all tests."""

import pytest
from hypothesis import settings

# A busy machine would fail sound code by the clock; what hangs, the timeout of all tests ends.
settings.register_profile("nexus", deadline=None)
settings.load_profile("nexus")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write the golden files anew instead of comparing with them; then read the diff",
    )
