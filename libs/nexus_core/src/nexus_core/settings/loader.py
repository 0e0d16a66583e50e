"""Reading settings: a YAML file, overlaid by `NEXUS__…` variables, decoded into a frozen struct.

The environment is read here and nowhere else.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec
import yaml

from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.values import ByteSize, Duration, Secret

PREFIX = "NEXUS__"
FILE_VARIABLE = "NEXUS_CONFIG"
"""Names the YAML file. With a single underscore, so that it can't be taken for a setting."""

_PARSED = (Duration, ByteSize, Secret)

T = TypeVar("T", bound=msgspec.Struct)


class SettingsError(InvalidInputError):
    """A setting is unknown or bad; the text names it and says what it may be."""


class Section(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """Base of all settings: kebab-case in YAML, unknown keys refused."""


def load(kind: type[T], environ: Mapping[str, str] | None = None, file: Path | None = None) -> T:
    """Read the settings of a service.

    Args:
        kind: the struct to fill; every field of it has a default or is required by name.
        environ: the environment; `os.environ` by default.
        file: the YAML file; by default the one that `NEXUS_CONFIG` names, if it does.

    Raises:
        SettingsError: a key is unknown, a value bad, or the file can't be read.
    """
    environ = os.environ if environ is None else environ
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    tree = _read_file(file) if file else {}
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX):
            _overlay(kind, tree, variable, text)
    try:
        return msgspec.convert(tree, kind, strict=False, dec_hook=_decode_value, str_keys=True)
    except msgspec.ValidationError as error:
        raise SettingsError(_explain(kind, str(error))) from error


def variable_of(path: tuple[str, ...]) -> str:
    """Return the environment variable of a setting, such as `NEXUS__S3_BUFFER__REGION`."""
    return PREFIX + "__".join(part.upper().replace("-", "_") for part in path)


def setting_names(kind: type[msgspec.Struct], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all settings of a struct, sections not included."""
    names = []
    for field in msgspec.structs.fields(kind):
        path = (*above, field.encode_name)
        section = _section(field.type)
        names += setting_names(section, path) if section else [path]
    return names


def _read_file(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: must be a mapping of settings")
    return tree


def _overlay(kind: type[msgspec.Struct], tree: dict[str, Any], variable: str, text: str) -> None:
    """Put the value of one variable where its name says."""
    path = [part.lower().replace("_", "-") for part in variable.removeprefix(PREFIX).split("__")]
    level: type[msgspec.Struct] | None = kind
    node = tree
    for depth, part in enumerate(path):
        fields = {f.encode_name: f for f in msgspec.structs.fields(level)} if level else {}
        if part not in fields:
            raise SettingsError(f"{variable}: is no setting{_suggestion(kind, variable)}")
        level = _section(fields[part].type)
        if depth < len(path) - 1:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise SettingsError(f"{'.'.join(path[: depth + 1])}: must be a mapping")
        elif level is not None:
            raise SettingsError(f"{variable}: is a section; name one of its settings")
        else:
            node[part] = _split(text) if _is_list(fields[part].type) else text


def _section(kind: object) -> type[msgspec.Struct] | None:
    """Return the struct that a field's type holds, if it does."""
    for candidate in (kind, *get_args(kind)):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def _is_list(kind: object) -> bool:
    return get_origin(kind) in (tuple, list)


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _decode_value(kind: type, written: object) -> object:
    if issubclass(kind, _PARSED):
        try:
            return kind.parse(written)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
    raise NotImplementedError(f"settings can't hold {kind}")


def _suggestion(kind: type[msgspec.Struct], variable: str) -> str:
    known = [variable_of(path) for path in setting_names(kind)]
    near = difflib.get_close_matches(variable, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _explain(kind: type[msgspec.Struct], error: str) -> str:
    """Turn msgspec's `… - at `$.a.b`` into `a.b (NEXUS__A__B): …`."""
    message, _, where = error.partition(" - at `$")
    path = tuple(part for part in where.rstrip("`").removeprefix(".").split(".") if part)
    message = message[:1].lower() + message[1:]
    if not path:
        return f"settings: {message}{_unknown_hint(kind, message)}"
    return f"{'.'.join(path)} ({variable_of(path)}): {message}"


def _unknown_hint(kind: type[msgspec.Struct], message: str) -> str:
    name = message.rpartition("`")[0].rpartition("`")[2]
    near = difflib.get_close_matches(
        name, [f.encode_name for f in msgspec.structs.fields(kind)], n=1
    )
    return f"; did you mean `{near[0]}`?" if near else ""
