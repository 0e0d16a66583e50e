"""Makes the navigation of what pages list: docs/README.md, the map, is for people and says it all.

A section of the map is a part of the navigation, and the links that its entries begin with are the
pages in it. Some of these pages list others, which are then below them.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from posixpath import normpath

from sphinx.application import Sphinx

LISTS = frozenset({"deploy/README", "docs/decisions/README", "examples/README"})

_SECTION = re.compile(r"^## (?P<title>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^(?:- |\| )\[[^\]]+\]\((?P<page>[^)#]+)\.md\)", re.MULTILINE)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in a build."""
    app.connect("source-read", _add)
    return {"parallel_read_safe": True}


def _add(app: Sphinx, page: str, source: list[str]) -> None:
    text = source[0]
    if page == app.config.root_doc:
        for section in _SECTION.finditer(text):
            source[0] += _tree(page, section["text"], f":caption: {section['title']}")
    elif page in LISTS:
        source[0] += _tree(page, text)


def _tree(page: str, text: str, *options: str) -> str:
    lines = ["```{toctree}", ":hidden:", *options, "", *_entries(page, text), "```"]
    return "\n\n" + "\n".join(lines)


def _entries(page: str, text: str) -> Iterator[str]:
    for entry in _ENTRY.finditer(text):
        yield "/" + normpath(PurePosixPath(page).parent / entry["page"])
