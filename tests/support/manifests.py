"""Manifests as people write them."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from nexus_core.domain.template import API_VERSION, TEMPLATE_KIND, WORKGROUP_KIND
from support.runs import a_template_spec


def a_template_manifest(name: str = "hello-world", **changes: Any) -> dict[str, Any]:
    """Changes are fields of the spec."""
    spec = msgspec.to_builtins(a_template_spec())
    return a_manifest(TEMPLATE_KIND, name, {**spec, **changes})


def a_workgroup_manifest(name: str = "default", cluster: str = "standalone") -> dict[str, Any]:
    return a_manifest(WORKGROUP_KIND, name, {"cluster": cluster})


def a_manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": name, "labels": {"team": "science"}},
        "spec": spec,
        "status": {"conditions": []},
    }


def write_manifests(file: Path, *manifests: dict[str, Any]) -> None:
    """Replace a file at once, as editors do."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(yaml.safe_dump_all(manifests))
    draft.replace(file)
