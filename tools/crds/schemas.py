"""Structural schemas of the domain's structs, with the words that stand beside their fields."""

import inspect
from collections.abc import Mapping
from typing import Any

from msgspec.inspect import (
    AnyType,
    BoolType,
    DictType,
    Field,
    IntType,
    ListType,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from nexus_core.domain.template import Quantity
from nexus_core.web.documentation.shapes import words_on_fields

Schema = dict[str, Any]

_QUANTITY = type_info(Quantity)


def described(words: str, schema: Schema) -> Schema:
    """Return a schema that begins with its description, in one line."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    return {"description": " ".join(words.split()), **rest}


def schema_of(struct: type, rules: Mapping[tuple[type, str], Schema]) -> Schema:
    """Return the schema of a struct and all below it.

    `rules` add to the schema of a field, or to that of a whole struct where the field is empty.
    """
    kind = type_info(struct)
    if not isinstance(kind, StructType):
        raise TypeError(f"{struct} is no struct")
    return _struct(kind, rules)


def _struct(kind: StructType, rules: Mapping[tuple[type, str], Schema]) -> Schema:
    words = words_on_fields(kind.cls)
    schema: Schema = {
        "type": "object",
        "properties": {
            field.encode_name: _field(kind.cls, field, words.get(field.name, ""), rules)
            for field in kind.fields
        },
    }
    if required := [field.encode_name for field in kind.fields if field.required]:
        schema["required"] = required
    return described(inspect.getdoc(kind.cls) or "", schema | rules.get((kind.cls, ""), {}))


def _field(
    struct: type, field: Field, words: str, rules: Mapping[tuple[type, str], Schema]
) -> Schema:
    schema = _type(field.type, rules) | rules.get((struct, field.name), {})
    return described(words, schema) if words else schema


def _type(kind: Type, rules: Mapping[tuple[type, str], Schema]) -> Schema:  # noqa: PLR0911 - a table
    if kind == _QUANTITY:
        return {"x-kubernetes-int-or-string": True}
    match kind:
        case UnionType(types=types):
            # Only `None` may stand beside a type: the API server drops nulls before it validates.
            (only,) = (one for one in types if not isinstance(one, NoneType))
            return _type(only, rules)
        case StructType():
            return _struct(kind, rules)
        case StrType():
            return {"type": "string"}
        case BoolType():
            return {"type": "boolean"}
        case IntType():
            return {"type": "integer", "format": "int32"}
        case ListType(item_type=items):
            return {"type": "array", "items": _type(items, rules)}
        case DictType(value_type=AnyType()):
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        case DictType(value_type=values):
            return {"type": "object", "additionalProperties": _type(values, rules)}
    raise TypeError(f"{kind} has no structural schema here")
