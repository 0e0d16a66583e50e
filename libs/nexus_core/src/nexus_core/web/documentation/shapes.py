"""JSON schemas of the types that bodies are decoded to, with what their authors wrote of them."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec.inspect import Field, StructType, Type, type_info

Schema = dict[str, Any]


class Shapes:
    """Writes schemas, and collects the named ones among them."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        """What `$ref`s in the written schemas lead to, by name."""
        self._written: dict[Any, Schema] = {}

    def of(self, kind: Any) -> Schema:  # noqa: ANN401 - any type that msgspec decodes
        """Return the schema of a type; named types become references to components.

        Raises:
            ValueError: two types of one name are not the same.
        """
        # Most endpoints share their errors, and a schema costs a millisecond of the start.
        if kind in self._written:
            return self._written[kind]
        (schema,), components = msgspec.json.schema_components(
            (kind,), ref_template="#/components/schemas/{name}"
        )
        for component in components.values():
            if "description" in component:
                component["description"] = inspect.cleandoc(component["description"])
        for struct in _structs_in(type_info(kind)):
            _describe_fields(components[struct.__name__], struct)
        for name, component in components.items():
            if self.components.setdefault(name, component) != component:
                raise ValueError(f"two types are named {name}: one of them needs another name")
        self._written[kind] = schema
        return schema


def _structs_in(root: Type) -> Iterator[type[msgspec.Struct]]:
    """Go through all structs that a type is made of, each once."""
    seen, left = set(), [root]
    while left:
        node: object = left.pop()
        if isinstance(node, tuple):
            left.extend(node)
        elif isinstance(node, Type | Field) and id(node) not in seen:
            seen.add(id(node))
            left.extend(getattr(node, name) for name in node.__struct_fields__)
            if isinstance(node, StructType):
                yield node.cls


def _describe_fields(component: Schema, struct: type[msgspec.Struct]) -> None:
    words = words_on_fields(struct)
    names = zip(struct.__struct_fields__, struct.__struct_encode_fields__, strict=True)
    for name, on_the_wire in names:
        if name in words:
            component["properties"][on_the_wire].setdefault("description", words[name])


def words_on_fields(struct: type[msgspec.Struct]) -> Mapping[str, str]:
    """Return what stands below a struct's fields in the source, its parents' included.

    Python forgets these strings, and a second copy of each in the field's type would grow stale.
    """
    words: dict[str, str] = {}
    for kind in reversed(struct.__mro__):
        words |= _words_in_module(kind.__module__).get(kind.__qualname__, {})
    return words


@cache
def _words_in_module(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the strings below the fields of a module's classes, by class and field."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError):
        # Installed without its sources, or not written in Python: the fields stand without words.
        return {}
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    return {node.name: dict(_words_in_class(node)) for node in classes}


def _words_in_class(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                yield name, inspect.cleandoc(words)
