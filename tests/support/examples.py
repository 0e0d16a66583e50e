"""The examples, as their files describe them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

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


class Ending(NamedTuple):
    """What becomes of the request beside an example, wherever it runs."""

    stage: str
    says: str = ""
    """Part of what its caller reads, if it has no result."""


ENDINGS: Mapping[str, Ending] = MappingProxyType(
    {
        "hello-world": Ending("COMPLETED"),
        "tsp": Ending("COMPLETED"),
        "fan-out": Ending("COMPLETED"),
        "fails": Ending("FAILED", "a fatal error: exit code 1"),
        "out-of-memory": Ending("FAILED", "ran out of memory (limit 64Mi)"),
        "overstays-deadline": Ending("DEADLINE_EXCEEDED", "exceeded its deadline"),
        "does-not-start": Ending("SCHEDULING_FAILED", "container of the algorithm could not be"),
    }
)


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


def example_resources() -> list[dict[str, Any]]:
    """Return templates and workgroup as their files have them."""
    return [yaml.safe_load(path.read_text("utf-8")) for path in sorted(EXAMPLES.rglob("*.yaml"))]


def _specs(kind: str) -> list[tuple[str, Any]]:
    return [
        (resource["metadata"]["name"], resource["spec"])
        for resource in example_resources()
        if resource["kind"] == kind
    ]
