"""The examples, as their files describe them."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from nexus_core.domain.template import (
    TEMPLATE_KIND,
    WORKGROUP_KIND,
    Template,
    TemplateSpec,
    Workgroup,
    WorkgroupSpec,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def example_templates() -> dict[str, Template]:
    return {
        name: Template(name, msgspec.convert(spec, TemplateSpec))
        for name, spec in _specs(TEMPLATE_KIND)
    }


def example_workgroups() -> dict[str, Workgroup]:
    return {
        name: Workgroup(name, msgspec.convert(spec, WorkgroupSpec))
        for name, spec in _specs(WORKGROUP_KIND)
    }


def example_folder(name: str) -> Path:
    return EXAMPLES / name.replace("-", "_")


def example_request(name: str) -> bytes:
    return (example_folder(name) / "request.json").read_bytes()


def _specs(kind: str) -> list[tuple[str, Any]]:
    resources = [yaml.safe_load(path.read_text()) for path in sorted(EXAMPLES.rglob("*.yaml"))]
    return [
        (resource["metadata"]["name"], resource["spec"])
        for resource in resources
        if resource["kind"] == kind
    ]
