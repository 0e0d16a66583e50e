"""Reading settings: a YAML file, overlaid by `NEXUS__…` variables, decoded into a frozen struct.

The environment is read here and nowhere else.
"""

import difflib
import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import msgspec
import yaml

from nexus_core.domain.errors import InvalidInputError
from nexus_core.settings.go_names import in_our_words
from nexus_core.settings.values import ByteSize, Duration, Secret, Text, Url
from nexus_core.settings.yaml_keys import distinct_keys
from nexus_core.settings.yaml_problem import yaml_problem

PREFIX = "NEXUS__"
FILE_VARIABLE = "NEXUS_CONFIG"
"""Names the YAML file. With a single underscore, so that it can't be taken for a setting."""

_PARSED = (Duration, ByteSize, Secret)

# To other settings an empty variable says nothing: charts set all variables that they know.
_MAY_BE_EMPTY = (str, tuple[str, ...], Secret)


class _LosingNothing(yaml.SafeLoader):
    """Safe YAML in which a key that is there twice is refused, as YAML wants it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base's signature
        for _ in distinct_keys(node):
            pass
        return super().construct_mapping(node, deep=deep)


class SettingsError(InvalidInputError):
    """A setting is unknown or bad; the text names it and says what it may be."""


class Section(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Base of all settings: kebab-case in YAML, each with a default."""


T = TypeVar("T", bound=Section)


def load(
    kind: type[T],
    environ: Mapping[str, str] | None = None,
    file: Path | None = None,
    *,
    beside_others: bool = False,
) -> T:
    """Read the settings of a service: what is not said keeps the default that the service gives it.

    Args:
        kind: the struct to fill; every field of it has a default.
        environ: the environment; `os.environ` by default.
        file: the YAML file; by default the one that `NEXUS_CONFIG` names, if it does.
        beside_others: whether what `kind` does not have at its top is somebody else's, rather than
            a mistake: for commands, which are run with the settings of a service.

    Raises:
        SettingsError: a key is unknown, a value bad, or the file can't be read.
    """
    settings = kind()
    known = {variable_of(path) for path in setting_names(settings)}
    environ = in_our_words(os.environ if environ is None else environ, known)
    if file is None and environ.get(FILE_VARIABLE):
        file = Path(environ[FILE_VARIABLE])
    tree = _read_file(file) if file else {}
    if beside_others:
        ours = {variable_of((name,)) for name in _fields(settings)}
        tree = {name: value for name, value in tree.items() if variable_of((name,)) in ours}
        environ = {name: text for name, text in environ.items() if _top(name) in ours}
    for variable, text in sorted(environ.items()):
        if variable.startswith(PREFIX):
            _overlay(settings, tree, variable, text)
    return _filled(settings, tree, ())


def _top(variable: str) -> str:
    """Return a variable up to the end of its first part: `NEXUS__CQL` of `NEXUS__CQL__TRIES`."""
    return PREFIX + variable.removeprefix(PREFIX).partition("__")[0]


def api_server_address(environ: Mapping[str, str] | None = None) -> str:
    """Return `host:port` of the API server, as Kubernetes tells each pod; empty outside of pods."""
    environ = os.environ if environ is None else environ
    host = environ.get("KUBERNETES_SERVICE_HOST", "")
    if not host:
        return ""
    if ":" in host:
        host = f"[{host}]"
    return f"{host}:{environ.get('KUBERNETES_SERVICE_PORT', '443')}"


def keyspaces_key(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Return id and secret of the access key for Amazon Keyspaces; empty where none is set."""
    environ = os.environ if environ is None else environ
    prefix = "KEYSPACES_AWS_"
    return environ.get(f"{prefix}ACCESS_KEY_ID", ""), environ.get(f"{prefix}SECRET_ACCESS_KEY", "")


def variable_of(path: tuple[str, ...]) -> str:
    """Return the environment variable of a setting, such as `NEXUS__S3_BUFFER__REGION`."""
    return PREFIX + "__".join(part.upper().replace("-", "_") for part in path)


def empty_secrets(settings: Section, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the variables that are set to nothing, of settings that hold secrets.

    Whoever names a secret means to use it; one whose key is empty is mostly a mistake.
    """
    environ = os.environ if environ is None else environ
    found = {variable_of(path): _held_by(settings, path) for path in setting_names(settings)}
    return [name for name, kind in found.items() if kind is Secret and environ.get(name) == ""]


def _held_by(settings: Section, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - a type
    *above, last = path
    for name in above:
        settings = getattr(settings, _fields(settings)[name].name)
    return _fields(settings)[last].type


def setting_names(section: Section, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all settings of a section and those below it."""
    names = []
    for name, field in _fields(section).items():
        value = getattr(section, field.name)
        path = (*above, name)
        names += setting_names(value, path) if isinstance(value, Section) else [path]
    return names


def _read_file(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), Loader=_LosingNothing)  # noqa: S506 - safe
    except OSError as error:
        raise SettingsError(f"{file}: can't be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not YAML: {yaml_problem(error)}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{file}: must be a mapping of settings")
    return tree


def _overlay(settings: Section, tree: dict[str, Any], variable: str, text: str) -> None:
    """Put the value of one variable where its name says."""
    path = [part.lower().replace("_", "-") for part in variable.removeprefix(PREFIX).split("__")]
    level: object = settings
    node = tree
    for depth, part in enumerate(path):
        fields = _fields(level) if isinstance(level, Section) else {}
        if part not in fields:
            raise SettingsError(f"{variable}: is no setting{_variable_like(settings, variable)}")
        field = fields[part]
        level = getattr(level, field.name)
        if depth < len(path) - 1:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise SettingsError(f"{'.'.join(path[: depth + 1])}: must be a mapping")
        elif isinstance(level, Section):
            raise SettingsError(f"{variable}: is a section; name one of its settings")
        elif field.type == tuple[Secret, ...] and not _split(text):
            # A key of a secret that is empty: without any of them, everybody would be let in.
            raise SettingsError(f"{variable}: is set to nothing; give it one, or leave it out")
        elif text or field.type in _MAY_BE_EMPTY:
            node[part] = text


def _filled(section: T, tree: object, path: tuple[str, ...]) -> T:
    """Return a section with what a tree says of it, and else as it is."""
    if not isinstance(tree, dict):
        raise SettingsError(f"{'.'.join(path)}: must be a mapping of settings")
    fields = _fields(section)
    changes: dict[str, object] = {}
    for name, written in tree.items():
        below = (*path, str(name))
        if name not in fields:
            near = _like(str(name), fields)
            raise SettingsError(f"{'.'.join(below)}: is no setting{near}")
        value = getattr(section, fields[name].name)
        if isinstance(value, Section):
            changes[fields[name].name] = _filled(value, written, below)
        else:
            listed = isinstance(value, tuple) and isinstance(written, str)
            said = _split(written) if listed else written
            changes[fields[name].name] = _converted(fields[name].type, said, below)
    return msgspec.structs.replace(section, **changes)


def _converted(kind: Any, written: object, path: tuple[str, ...]) -> object:  # noqa: ANN401 - a type
    try:
        return msgspec.convert(written, kind, strict=False, dec_hook=_decode_value)
    except msgspec.ValidationError as error:
        said = _in_words(kind, written, str(error).partition(" - at `$")[0])
        raise SettingsError(f"{'.'.join(path)} ({variable_of(path)}): {said}") from error


def _in_words(kind: Any, written: object, said: str) -> str:  # noqa: ANN401 - a type
    """Return what a setting may be, where msgspec does not say it."""
    if said.startswith("Invalid enum value"):
        *others, last = [repr(one) for one in _choice(kind)]
        return f"must be {', '.join(others)} or {last}; got {written!r:.60}"
    if kind == Url and isinstance(written, str):
        return f"must be a URL such as https://nexus.example.org; got {written!r:.200}"
    if written == "" and kind == Text:
        return "must not be empty"
    return said[:1].lower() + said[1:]


def _choice(kind: Any) -> list[object]:  # noqa: ANN401 - a type
    return list(get_args(kind)) or [one.value for one in kind]


def _decode_value(kind: type, written: object) -> object:
    if issubclass(kind, _PARSED):
        try:
            return kind.parse(written)
        except InvalidInputError as error:
            raise ValueError(str(error)) from error
    raise NotImplementedError(f"settings can't hold {kind}")


def _fields(section: Section) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(section)}


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _variable_like(settings: Section, variable: str) -> str:
    return _like(variable, [variable_of(path) for path in setting_names(settings)])


def _like(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""
