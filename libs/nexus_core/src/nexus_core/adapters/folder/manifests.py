"""Manifests: templates and workgroups in YAML files, and what is wrong with them."""

import os
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nexus_core.adapters.folder.yaml_documents import MAX_BYTES, YamlProblemError, read_documents
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

# No set: a document may hold a list where its kind should be, and that can't be looked up in one.
_KINDS = (TEMPLATE_KIND, WORKGROUP_KIND)
_SUFFIXES = frozenset({".yaml", ".yml"})
_WRONG_TYPE = re.compile(r"Expected `(?P<expected>.*?)`(?:, got `(?P<got>.*?)`)?")
_WRONG_FIELD = re.compile(r"Object (?P<what>contains|missing) \w+ field `(?P<name>.*)`")
_AT = re.compile(r"^(?P<message>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?$", re.DOTALL)


class ManifestProblem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong with a file of manifests."""

    file: str
    resource: str
    """Kind and name, such as `NexusAlgorithmTemplate/tsp`; empty: the file as a whole."""
    field: str
    """Path of the field in the resource; empty: the resource as a whole."""
    message: str
    """What is wrong and what it may be."""

    def __str__(self) -> str:
        parts = (self.file, self.resource, self.field, self.message)
        return ": ".join(part for part in parts if part)


class Manifest(msgspec.Struct, frozen=True):
    """One of our resources as it stands in a file."""

    kind: str
    name: str
    resource: Template | Workgroup | None
    """None: it is not sound, and `problems` says why."""
    problems: tuple[Problem, ...] = ()


class ManifestFile(msgspec.Struct, frozen=True):
    """A file, or a folder that can't be read, and the resources in it."""

    path: Path
    manifests: tuple[Manifest, ...] = ()
    problem: str = ""
    """Why nothing at all can be said of what is in it."""


def read_folders(folders: Sequence[Path]) -> list[ManifestFile]:
    """Read all manifests below some folders, by path; blocks, and never fails.

    Hidden files and folders are passed over: editors keep their drafts there, and Kubernetes the
    real files of a mounted config map, to which visible links lead.
    """
    files = {file.path: file for folder in folders for file in _read_below(folder)}
    return [files[path] for path in sorted(files)]


def read_manifests(content: bytes) -> tuple[Manifest, ...]:
    """Return our resources among the documents of a file; those of other kinds are ignored.

    Raises:
        YamlProblemError: the file can't be read as YAML.
    """
    documents = read_documents(content)
    return tuple(
        _manifest(document, number)
        for number, document in enumerate(documents, start=1)
        if isinstance(document, dict) and document.get("kind") in _KINDS
    )


def _read_below(folder: Path) -> Iterator[ManifestFile]:
    unreadable: list[OSError] = []
    for parent, folders, names in os.walk(folder, onerror=unreadable.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if path.suffix in _SUFFIXES and not name.startswith("."):
                yield _read_file(path)
    for error in unreadable:
        yield ManifestFile(Path(error.filename), problem=f"can't be read: {error.strerror}")


def _read_file(path: Path) -> ManifestFile:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Reading a pipe would wait for who writes to it.
            return ManifestFile(path, problem="is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        return ManifestFile(path, read_manifests(content))
    except FileNotFoundError:
        # Removed since the folder was listed; or a link to nothing, which somebody left behind.
        return ManifestFile(path, problem="is a link to nothing" if path.is_symlink() else "")
    except OSError as error:
        return ManifestFile(path, problem=f"can't be read: {error.strerror}")
    except YamlProblemError as error:
        return ManifestFile(path, problem=str(error))


def _manifest(document: dict[str, Any], number: int) -> Manifest:
    kind, metadata = document["kind"], document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not is_resource_name(name):
        problem = Problem("metadata.name", RESOURCE_NAME_RULE)
        return Manifest(kind, f"document {number}", None, (problem,))
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
