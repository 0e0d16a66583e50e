"""Reading YAML that somebody else wrote: plain data or a clear refusal, at a bounded cost."""

import math
from collections.abc import Hashable
from typing import Any

import yaml

from nexus_core.settings.yaml_keys import distinct_keys
from nexus_core.settings.yaml_problem import yaml_problem

MAX_BYTES = 1024 * 1024
"""Etcd takes objects of 1.5 MiB at most, so no manifest that a cluster takes is larger."""

# Real manifests are some ten levels deep. The parser recurses in C, and crashes at some ten
# thousand, so this is checked before it composes anything.
_MAX_DEPTH = 64
# An alias costs the parser nothing and whoever walks the result all that it stands for: nine lines
# can stand for a billion values.
_MAX_VALUES = 100_000

_CORE = "tag:yaml.org,2002:"
_PLAIN_KINDS = ("str", "int", "float", "bool", "null", "map", "seq")
_PLAIN_TAGS = frozenset({None, "!", *(f"{_CORE}{kind}" for kind in _PLAIN_KINDS)})


class YamlProblemError(Exception):
    """The text is not YAML, or more than plain data. The message is a clause that says where."""


def read_documents(content: bytes) -> list[Any]:
    """Return the documents of a file, without the empty ones.

    Values are dict, list, str, int, finite float, bool and None. Dates stay text, as in Kubernetes.

    Raises:
        YamlProblemError: it can't be read.
    """
    if len(content) > MAX_BYTES:
        raise YamlProblemError(f"must be at most {MAX_BYTES} bytes; it has {len(content)}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise YamlProblemError(f"must be UTF-8; byte {error.start} is not") from error
    try:
        _check_cost(text)
        documents = list(yaml.load_all(text, Loader=_PlainLoader))
    except yaml.YAMLError as error:
        raise YamlProblemError(yaml_problem(error)) from error
    except ValueError as error:
        # From numbers of thousands of digits.
        raise YamlProblemError(str(error).splitlines()[0]) from error
    return [document for document in documents if document is not None]


class _PlainLoader(yaml.CSafeLoader):
    """Safe YAML without dates, and with the duplicate keys that YAML forbids refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base's signature
        for key in distinct_keys(node):
            if key.tag != f"{_CORE}str":
                raise _refusal("a key must be text; put it into quotes", key)
        return super().construct_mapping(node, deep=deep)

    def construct_finite(self, node: yaml.ScalarNode) -> float:
        number = self.construct_yaml_float(node)
        if not math.isfinite(number):
            raise _refusal("a number must be finite", node)
        return number


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != f"{_CORE}timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
_PlainLoader.add_constructor(f"{_CORE}float", _PlainLoader.construct_finite)


def _check_cost(text: str) -> None:
    """Refuse what is too deep, or too large with its aliases replaced by what they stand for."""
    # How many values each open collection holds so far, and the anchor it can be called by.
    open_collections: list[tuple[int, str | None]] = [(0, None)]
    sizes: dict[str, int] = {}
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event)
            open_collections.append((1, event.anchor))
            if event.anchor:
                # Until it ends, an alias to it would be a circle.
                sizes[event.anchor] = _MAX_VALUES + 1
            if len(open_collections) > _MAX_DEPTH:
                raise _refusal(f"nested deeper than {_MAX_DEPTH} levels", event)
            continue
        if isinstance(event, yaml.CollectionEndEvent):
            size, anchor = open_collections.pop()
        elif isinstance(event, yaml.ScalarEvent):
            _check_tag(event)
            size, anchor = 1, event.anchor
        elif isinstance(event, yaml.AliasEvent):
            size, anchor = sizes.get(event.anchor or "", 1), None
        else:
            continue
        if anchor:
            sizes[anchor] = size
        held, outer = open_collections[-1]
        open_collections[-1] = (held + size, outer)
        if held + size > _MAX_VALUES:
            raise _refusal(
                f"more than {_MAX_VALUES} values, counting what aliases stand for", event
            )


def _check_tag(event: yaml.CollectionStartEvent | yaml.ScalarEvent) -> None:
    if event.tag not in _PLAIN_TAGS:
        raise _refusal(f"the tag {event.tag:.60} is not plain data", event)


def _refusal(problem: str, place: yaml.Node | yaml.Event) -> YamlProblemError:
    line = place.start_mark.line + 1 if place.start_mark else "?"
    return YamlProblemError(f"line {line}: {problem}")
