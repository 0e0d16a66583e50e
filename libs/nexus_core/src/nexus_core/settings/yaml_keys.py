"""The keys of a YAML mapping, of which none may be there twice."""

from collections.abc import Iterator

import yaml

_MERGE = "tag:yaml.org,2002:merge"


def distinct_keys(node: yaml.MappingNode) -> Iterator[yaml.Node]:
    """Go through the keys of a mapping, merges left out.

    PyYAML takes the last of two that are the same, which YAML forbids: a second section of one name
    would undo all that the first one says.

    Raises:
        MarkedYAMLError: one was there before; after it was yielded.
    """
    seen = set()
    for key, _ in node.value:
        if key.tag == _MERGE:
            continue
        yield key
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                problem = f"the key {key.value!r:.60} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
