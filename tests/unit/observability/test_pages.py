"""What the pages for operators tell people to type is there."""

import re
from collections.abc import Iterator
from pathlib import Path

from support.exported import exported
from support.promql import labels_of, series_of

DOCS = Path(__file__).parents[3] / "docs"
PAGES = sorted((DOCS / "operations").glob("*.md"))

_QUERIES = re.compile(r"^```promql\n(?P<block>.*?)^```", re.DOTALL | re.MULTILINE)


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
