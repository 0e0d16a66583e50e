"""What the pages for operators tell people to type is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.exported import exported
from support.promql import labels_of, series_of

DOCS = Path(__file__).parents[3] / "docs"
PAGES = sorted((DOCS / "operations").glob("*.md"))
SETTINGS = (DOCS / "reference/settings.md").read_text("utf-8")

_QUERIES = re.compile(r"^```promql\n(?P<block>.*?)^```", re.DOTALL | re.MULTILINE)
_VARIABLE = re.compile(r"\bNEXUS__\w+")


def queries(page: Path) -> Iterator[str]:
    """Go through the queries of a page: one a line."""
    for block in _QUERIES.finditer(page.read_text("utf-8")):
        for line in block["block"].splitlines():
            yield line.partition("#")[0].strip()


def test_queries_of_ours_ask_for_what_is_exported() -> None:
    asked = [query for page in PAGES for query in queries(page)]
    ours = [query for query in asked if any(s.startswith("nexus_") for s in series_of(query))]
    assert len(ours) > 15
    for query in ours:
        assert labels_of(query, exported()) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_variables_are_those_of_settings(page: Path) -> None:
    named = set(_VARIABLE.findall(page.read_text("utf-8")))
    assert {name for name in named if f"`{name}`" not in SETTINGS} == set()
