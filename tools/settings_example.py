"""Prints deploy/settings.example.yaml: what all services understand, each at its default.

Written from the settings themselves, like the reference. Run it in the root of the repository:

    .venv/bin/python -m tools.settings_example > deploy/settings.example.yaml
"""

from collections.abc import Iterator
from textwrap import wrap

from nexus_core.settings.sections import ServiceSettings
from tools.settings_reference import Setting, Table, tables

_HEAD = """\
# Settings that all services of Nexus understand, each at its default. Copy what you change into a
# file of your own, and name it: `nexus-scheduler --config my.yaml`, or NEXUS_CONFIG=my.yaml.
# A variable wins over the file: NEXUS__S3_BUFFER__REGION is `region` in the section `s3-buffer`.
# What single services have besides, and all of this as a table: docs/reference/settings.md
"""

_WIDTH = 96


def example() -> str:
    """Return the file."""
    return "\n".join(
        [_HEAD, *(line for table in tables(ServiceSettings) for line in _lines(table))]
    )


def _lines(table: Table) -> Iterator[str]:
    depth = len(table.path)
    if depth:
        yield from _comment(table.words, depth - 1)
        yield f"{_indent(depth - 1)}{table.path[-1]}:"
    for setting in table.settings:
        yield from _comment(setting.meaning, depth)
        yield _indent(depth) + _entry(setting)
    yield ""


def _entry(setting: Setting) -> str:
    name, default = setting.path[-1], setting.default
    if default.startswith("`"):
        return f'{name}: "{default.strip("`")}"'
    # No text can say it: it is left for the service to find out.
    return f'{name}: ""' if default == "empty" else f"# {name}: {default}"


def _comment(words: str, depth: int) -> Iterator[str]:
    for line in wrap(" ".join(words.split()), _WIDTH - 2 * depth):
        yield f"{_indent(depth)}# {line}"


def _indent(depth: int) -> str:
    return "  " * depth


if __name__ == "__main__":
    print(example(), end="")
