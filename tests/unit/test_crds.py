"""The custom resource definitions, against the types and rules that they are written from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nexus_core.domain.manifests import read_manifest
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND
from support.manifests import a_manifest
from support.mistakes import A_WORKGROUP, EVERYTHING, MISTAKES, Mistake
from tools.crds.files import written

FOLDER = Path("deploy/crds")
DEFINITIONS = {
    definition["spec"]["names"]["kind"]: definition
    for definition in (yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.iterdir())
}


def schema(kind: str) -> dict[str, Any]:
    (version,) = DEFINITIONS[kind]["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def below(part: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through a schema and all schemas in it, with their paths."""
    yield path, part
    for name, field in part.get("properties", {}).items():
        yield from below(field, f"{path}.{name}")
    for inner in ("items", "additionalProperties"):
        if inner in part:
            yield from below(part[inner], f"{path}[]")


def messages(kind: str) -> set[str]:
    """Return all that a definition's rules say."""
    rules = (part.get("x-kubernetes-validations", []) for _, part in below(schema(kind)))
    return {rule["message"] for several in rules for rule in several}


def test_the_files_are_written_from_the_domain() -> None:
    assert {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()} == written()


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_every_field_says_what_it_is(kind: str) -> None:
    silent = [
        path
        for path, part in below(schema(kind))
        if path.rpartition(".")[2] and not path.endswith("[]") and "description" not in part
    ]
    assert silent == [".metadata"]


@pytest.mark.parametrize(
    ("kind", "spec"), [(TEMPLATE_KIND, EVERYTHING), (WORKGROUP_KIND, A_WORKGROUP)]
)
def test_what_uses_every_field_is_sound(kind: str, spec: dict[str, Any]) -> None:
    assert read_manifest(a_manifest(kind, "everything", spec)).problems == ()
    assert spec.keys() == schema(kind)["properties"]["spec"]["properties"].keys()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda one: f"{one.path}={one.value!r:.40}")
def test_the_catalogue_tells_each_mistake_in_the_words_of_the_definitions(
    mistake: Mistake,
) -> None:
    problem, *_ = read_manifest(mistake.manifest("mistaken")).problems

    assert problem.field == f"spec.{mistake.field or mistake.path}".replace("|", ".")
    # Those with words of their own are told by types and bounds, which the API server words.
    if not mistake.words:
        assert problem.message.partition("; got")[0] in messages(mistake.kind)
