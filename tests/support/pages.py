"""Pages of the documentation, as GitHub shows them."""

import re
from collections import Counter
from pathlib import Path

_FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} (?P<text>.+?)\s*$", re.MULTILINE)
_NO_SLUG = re.compile(r"[^\w\- ]")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.finditer(prose(page)):
        slug = _NO_SLUG.sub("", heading["text"].lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found
