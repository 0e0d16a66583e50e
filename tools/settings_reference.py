"""Prints docs/reference/settings.md, written from the settings themselves.

Meanings are the strings below the fields in the source, so that the page and the code can't differ.
Run it in the root of the repository:

    .venv/bin/python -m tools.settings_reference > docs/reference/settings.md
"""

import socket
from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

import msgspec
from msgspec.structs import FieldInfo

from nexus_core.domain.durations import format_duration
from nexus_core.settings.go_names import NAMES
from nexus_core.settings.loader import Section, variable_of
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import ByteSize, Duration
from nexus_core.web.documentation.shapes import words_on_fields
from nexus_receiver.settings import ReceiverSettings
from nexus_scheduler.settings import SchedulerSettings
from nexus_standalone.settings import StandaloneSettings
from nexus_supervisor.settings import SupervisorSettings

Path = tuple[str, ...]

_HEAD = """\
# Settings

Every setting of every service, as this release reads it. A setting comes from a YAML file
(`--config <file>`, or the file that the variable `NEXUS_CONFIG` names), and the environment wins
over the file. In YAML, sections nest: `s3-buffer.buffer-config.workers` is

```yaml
s3-buffer:
  buffer-config:
    workers: 20
```

In the environment the same setting is `NEXUS__S3_BUFFER__BUFFER_CONFIG__WORKERS=20`. Lists are
separated by commas there. Durations are written as Go writes them (`100ms`, `30s`, `1h30m`), sizes
as Kubernetes does (`500Mi`, `1Gi`).

`nexus-schema` reads the same file and environment, and of it what leads to the checkpoint store.
This page and `deploy/settings.example.yaml` are written from the code.

An unknown `NEXUS__…` variable or key stops the start with its name, and so does a bad value:
[why](../decisions/0011-settings-in-one-loader.md). What is not said keeps
the default of its service.
"""


_BESIDES = "Besides what every service has:"
_STANDALONE = f"""\
The settings of all services in one. {_BESIDES}"""


_GO_NAMES = """\
## Names of the Go implementation

Most names above are those of Go deployments. Some that their charts set are taken though ours are
called otherwise; where ours is set too, that holds. `NEXUS__CQL_STORE_TYPE` may also be
`cassandra-scylla`, `cassandra-astra` or `cassandra-keyspaces`, and `NEXUS__LOG_LEVEL` be written in
capitals. A variable that is empty says nothing, unless its setting is a text that may be.
"""


class Setting(NamedTuple):
    """A line of a table."""

    path: Path
    default: str
    meaning: str


class Table(NamedTuple):
    """The settings of one section."""

    path: Path
    """Empty: those outside of any section."""
    words: str
    settings: tuple[Setting, ...]


def page() -> str:
    """Return the page."""
    common = {table.path: table for table in tables(ServiceSettings)}
    chapters = [_HEAD, "## Every service\n", *map(_write, common.values())]
    for title, lead, kind in (
        ("Scheduler", _BESIDES, SchedulerSettings),
        ("Receiver", _BESIDES, ReceiverSettings),
        ("Supervisor", _BESIDES, SupervisorSettings),
        ("Standalone", _STANDALONE, StandaloneSettings),
    ):
        chapters.append(f"## {title}\n\n{lead}\n")
        own = (_beside(table, common) for table in tables(kind))
        chapters += [_write(table) for table in own if table.settings]
    chapters.append(_go_names())
    return "\n".join(chapters)


def _go_names() -> str:
    lines = ["| variable | is taken as | |", "|---|---|---|"]
    for variable, means, why in NAMES:
        ours = ", ".join(f"`{name}`" for name in means) or "without effect"
        lines.append(f"| `{variable}` | {ours} | {why} |")
    return "\n".join([_GO_NAMES, *lines, ""])


def tables(kind: type[Section]) -> Iterator[Table]:
    """Go through the sections of a service's settings, its own top first."""
    yield from _tables(kind(), (), "")


def _tables(section: Section, path: Path, words: str) -> Iterator[Table]:
    meanings = words_on_fields(type(section))
    settings: list[Setting] = []
    below: list[Table] = []
    for field in msgspec.structs.fields(type(section)):
        value, name = getattr(section, field.name), (*path, field.encode_name)
        if isinstance(value, Section):
            below += _tables(value, name, type(value).__doc__ or "")
        else:
            meaning = " ".join(meanings.get(field.name, "").split())
            settings.append(Setting(name, _default(field, value), meaning))
    yield Table(path, words, tuple(settings))
    yield from below


def _beside(table: Table, common: dict[Path, Table]) -> Table:
    """Leave out what every service has, unless its default is another one here."""
    known = common[table.path].settings if table.path in common else ()
    return table._replace(settings=tuple(s for s in table.settings if s not in known))


def _default(field: FieldInfo, value: object) -> str:
    if field.default_factory is socket.gethostname:
        return "the name of the machine"
    match value:
        case Duration():
            text = format_duration(timedelta(seconds=value))
        case ByteSize():
            text = _size(value)
        case Enum():
            text = str(value.value)
        case tuple():
            text = ",".join(map(str, value))
        case bool():
            text = str(value).lower()
        case _:
            text = str(value)
    return f"`{text}`" if text else "empty"


def _size(count: int) -> str:
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10)):
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def _write(table: Table) -> str:
    lines = []
    if table.path:
        lines += [f"### {'.'.join(table.path)}", "", " ".join(table.words.split()), ""]
    lines += ["| setting | variable | default | meaning |", "|---|---|---|---|"]
    for path, default, meaning in table.settings:
        name, variable = ".".join(path), variable_of(path)
        lines.append(f"| `{name}` | `{variable}` | {default} | {meaning} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    print(page(), end="")
