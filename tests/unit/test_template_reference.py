"""The pages on templates and their definitions name what is in the code, and no more."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from nexus_core.domain.request import Overrides
from nexus_core.domain.template import TemplateSpec, WorkgroupSpec
from tools.crds.definitions import definitions

REPOSITORY = Path(__file__).parents[2]
TEMPLATES = (REPOSITORY / "docs/reference/template.md").read_text("utf-8")
DEFINITIONS = (REPOSITORY / "docs/reference/custom-resources.md").read_text("utf-8")
GOLDEN = REPOSITORY / "tests/unit/job_manifest/golden"

_NAME = re.compile(r"`([^` ]+)`")


def first_cells(title: str) -> Iterator[list[str]]:
    """Go through what the first cells of a section's table name."""
    [section] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", TEMPLATES, re.MULTILINE | re.DOTALL)
    for cell in re.findall(r"^\| (`[^|]*?) \|", section, re.MULTILINE):
        yield _NAME.findall(cell)


def fields_told(title: str) -> set[str]:
    """Return the fields that a table names: `….` stands for the field before it that has parts."""
    told: set[str] = set()
    whole = ""
    for names in first_cells(title):
        for name in names:
            if name.startswith("…."):
                told.add(f"{whole}.{name.removeprefix('….')}")
            elif name.startswith("."):
                told.add(f"{whole}{name}")
            else:
                told.add(name)
                whole = name.partition(".")[0]
    return told


def fields(kind: type[msgspec.Struct], *, parts_alone: bool = False) -> set[str]:
    """Return the fields of a spec, and of its parts as `part.field`."""
    found = set()
    hints = get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        parts = [
            part for part in (hints[field.name], *get_args(hints[field.name])) if is_spec(part)
        ]
        if not (parts and parts_alone):
            found.add(field.encode_name)
        found |= {f"{field.encode_name}.{name}" for part in parts for name in fields(part)}
    return found


def is_spec(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def test_every_field_of_a_template_is_told_and_every_told_one_exists() -> None:
    assert fields_told("Template") == fields(TemplateSpec)


def test_every_field_of_a_workgroup_is_told_and_every_told_one_exists() -> None:
    assert fields_told("Workgroup") == fields(WorkgroupSpec)


def test_every_field_that_a_request_may_override_is_told_and_no_other() -> None:
    assert fields_told("What a request may override") == fields(Overrides, parts_alone=True)


def test_every_variable_of_a_run_is_told_and_no_other() -> None:
    jobs = [json.loads(path.read_text("utf-8")) for path in GOLDEN.glob("*.json")]
    [*containers] = [job["spec"]["template"]["spec"]["containers"][0] for job in jobs]
    given = {variable["name"] for container in containers for variable in container["env"]}
    told = {name for names in first_cells("What a run finds in its environment") for name in names}
    assert told == {name for name in given if name.startswith("NEXUS__")}


def test_names_and_columns_of_the_definitions_are_told() -> None:
    rows = re.findall(
        r"^\| `(Nexus\w+)` \| `(\w+)`, `(\w+)` \| (.*?); (.*?) \|$", DEFINITIONS, re.MULTILINE
    )
    assert sorted(rows) == sorted(row_of(one) for one in definitions().values())


def row_of(definition: dict[str, Any]) -> tuple[str, ...]:
    names = definition["spec"]["names"]
    columns = definition["spec"]["versions"][0]["additionalPrinterColumns"]
    narrow, wide = (
        ", ".join(one["name"].lower() for one in columns if ("priority" in one) is hidden)
        for hidden in (False, True)
    )
    return names["kind"], names["plural"], names["shortNames"][0], narrow, wide
