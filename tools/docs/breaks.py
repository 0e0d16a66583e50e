"""Lets long names and paths go on in the next line, after an underscore or a slash.

In HTML alone: whoever copies a name gets the name.
"""

import re
from typing import Any

from sphinx.application import Sphinx

_CODE = re.compile(r'(?<=<span class="pre">)[^<]+(?=</span>)')


def setup(app: Sphinx) -> dict[str, bool]:
    """Take part in a build."""
    app.connect("html-page-context", _add)
    return {"parallel_write_safe": True, "parallel_read_safe": True}


def _add(app: Sphinx, page: str, template: str, context: dict[str, Any], tree: object) -> None:
    del app, page, template, tree
    if "body" in context:
        context["body"] = _CODE.sub(lambda code: with_breaks(code[0]), context["body"])


def with_breaks(code: str) -> str:
    """Allow a break after underscores and slashes that have something before and behind them."""
    return re.sub(r"(?<=[^_/])[_/]+(?=[^_/])", r"\g<0><wbr>", code)
