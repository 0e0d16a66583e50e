"""JSON that another release wrote: what it knows and we don't is passed over."""

import types
import typing
from typing import Any, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def decoded(raw: bytes, kind: type[T]) -> T:
    """Decode a struct, leaving out fields that it has not.

    Templates refuse unknown fields, since a misspelt one would be lost in silence. A row is no
    place to learn of that: a run would be unreadable because a newer release had written it.

    Raises:
        ValueError: it is no JSON, or a field that we know holds what it may not.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return msgspec.convert(_known(msgspec.json.decode(raw), kind), kind)


def _known(value: Any, kind: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    struct = _struct_of(kind)
    if struct is None or not isinstance(value, dict):
        return value
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    return {name: _known(item, fields[name]) for name, item in value.items() if name in fields}


def _struct_of(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - any annotation
    """Return the struct that an annotation such as `Container | None` speaks of."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    for option in options:
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return option
    return None
