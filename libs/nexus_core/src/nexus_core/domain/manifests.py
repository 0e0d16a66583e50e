"""Manifests: templates and workgroups as people write them, and what is wrong with them."""

import re
from functools import cache
from typing import Any

import msgspec
import msgspec.inspect

from nexus_core.domain.errors import Problem
from nexus_core.domain.names import RESOURCE_NAME_RULE, is_resource_name
from nexus_core.domain.template import (
    API_VERSION,
    TEMPLATE_KIND,
    WORKGROUP_KIND,
    Template,
    TemplateSpec,
    Workgroup,
    WorkgroupSpec,
)
from nexus_core.domain.template_rules import template_problems, workgroup_problems

KINDS = (TEMPLATE_KIND, WORKGROUP_KIND)

_WRONG_TYPE = re.compile(r"Expected `(?P<expected>.*?)`(?:, got `(?P<got>.*?)`)?")
_WRONG_FIELD = re.compile(r"Object (?P<what>contains|missing) \w+ field `(?P<name>.*)`")
_AT = re.compile(r"^(?P<message>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)


class Manifest(msgspec.Struct, frozen=True):
    """One of our resources as somebody wrote it."""

    kind: str
    name: str
    resource: Template | Workgroup | None
    """None: it is not sound, and `problems` says why."""
    problems: tuple[Problem, ...] = ()


def read_manifest(document: dict[str, Any]) -> Manifest:
    """Read a document whose kind is one of `KINDS`: plain data, as YAML and JSON hold it.

    The manifest's name is empty when the document has none that is sound.
    """
    kind, metadata = document["kind"], document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not is_resource_name(name):
        problem = Problem("metadata.name", RESOURCE_NAME_RULE)
        return Manifest(kind, "", None, (problem,))
    if document.get("apiVersion") != API_VERSION:
        problem = Problem("apiVersion", f"must be {API_VERSION}")
        return Manifest(kind, name, None, (problem,))
    resource: Template | Workgroup | None = None
    spec = document.get("spec")
    try:
        if kind == TEMPLATE_KIND:
            template = Template(name, msgspec.convert(spec, TemplateSpec))
            resource, problems = template, template_problems(template.spec)
        else:
            workgroup = Workgroup(name, msgspec.convert(spec, WorkgroupSpec))
            resource, problems = workgroup, workgroup_problems(workgroup.spec)
    except msgspec.ValidationError as error:
        problems = (_shape_problem(str(error)),)
    return Manifest(kind, name, None if problems else resource, problems)


def without_unknown_fields(kind: str, spec: object) -> tuple[object, tuple[str, ...]]:
    """Return the spec of a resource without the fields that are not known here, and their paths.

    For a resource that an API server holds: what is not known here was known to the definition by
    which it was taken, which may be a newer one.
    """
    unknown: list[str] = []
    struct = TemplateSpec if kind == TEMPLATE_KIND else WorkgroupSpec
    return _known(spec, _type_of(struct), "spec", unknown), tuple(unknown)


# To look into a type costs ten times as much as to read a resource of it.
@cache
def _type_of(struct: type[msgspec.Struct]) -> msgspec.inspect.Type:
    return msgspec.inspect.type_info(struct)


def _known(value: object, kind: msgspec.inspect.Type, path: str, unknown: list[str]) -> object:
    if isinstance(kind, msgspec.inspect.UnionType):
        # A struct or nothing: of other unions, none holds a struct.
        structs = (one for one in kind.types if isinstance(one, msgspec.inspect.StructType))
        kind = next(structs, kind)
    if not isinstance(kind, msgspec.inspect.StructType) or not isinstance(value, dict):
        return value
    fields = {field.encode_name: field.type for field in kind.fields}
    unknown += sorted(f"{path}.{name}" for name in value.keys() - fields.keys())
    return {
        name: _known(one, fields[name], f"{path}.{name}", unknown)
        for name, one in value.items()
        if name in fields
    }


def _shape_problem(text: str) -> Problem:
    """Say what msgspec says of a spec in the words of who wrote the YAML."""
    at = _AT.match(text)
    message, path = (at["message"], at["path"] or "") if at else (text, "")
    field = f"spec{path}"
    if at and at["key"]:
        return Problem(field, "must have names of the right type as keys")
    if match := _WRONG_FIELD.match(message):
        if match["what"] == "missing":
            return Problem(f"{field}.{match['name']}", "must be there")
        return Problem(f"{field}.{match['name']}", "is not a field that is known here")
    if match := _WRONG_TYPE.match(message):
        expected, got = match["expected"], match["got"]
        if expected == "str" and got in {"bool", "int", "float"}:
            return Problem(field, f"must be a string, not {got}: put it into quotes")
        instead = f", not {got}" if got else ""
        return Problem(field, f"must be {expected.replace(' | ', ' or ')}{instead}")
    return Problem(field, message)
