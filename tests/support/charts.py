"""The charts, as helm renders and installs them."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.caller import REPOSITORY, inherited_environment

CHARTS = REPOSITORY / "deploy/charts"
NEXUS = CHARTS / "nexus"
DEFINITIONS = CHARTS / "nexus-crds"
PRESETS = {path.stem: path for path in sorted((NEXUS / "presets").glob("*.yaml"))}

Object = dict[str, Any]
"""One of Kubernetes, as it is written in YAML."""


class RefusedByHelmError(Exception):
    """What helm complains of."""


@dataclass(frozen=True)
class Helm:
    """The program, with a home of its own."""

    program: Path
    home: Path
    kubeconfig: Path | None = None
    """None: it talks to no cluster."""

    async def __call__(self, *arguments: str | Path, fed: str = "") -> str:
        """Return what it prints.

        Raises:
            RefusedByHelmError: it ends with another code than 0.
        """
        own = {f"HELM_{name}_HOME": str(self.home / name) for name in ("CACHE", "CONFIG", "DATA")}
        # Without a cluster of its own it would take the one of whoever runs the tests.
        own["KUBECONFIG"] = str(self.kubeconfig or self.home / "none")
        process = await asyncio.create_subprocess_exec(
            self.program,
            *arguments,
            env={**inherited_environment(), **own},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, complaint = await process.communicate(fed.encode())
        if process.returncode != 0:
            raise RefusedByHelmError((printed + complaint).decode())
        return printed.decode()

    async def render(
        self,
        values: Mapping[str, Any] | None = None,
        *,
        chart: Path = NEXUS,
        presets: Sequence[str] = (),
        release: str = "nexus",
        namespace: str = "nexus",
        more: Sequence[str] = (),
    ) -> list[Object]:
        """Return all objects of a chart, hooks included."""
        printed = await self(
            "template",
            release,
            chart,
            f"--namespace={namespace}",
            *(f"--values={PRESETS[preset]}" for preset in presets),
            "--values=-",
            *more,
            fed=yaml.safe_dump(dict(values or {})),
        )
        return [one for one in yaml.safe_load_all(printed) if one]


@dataclass(frozen=True)
class Release:
    """One that is installed."""

    name: str
    namespace: str
    presets: tuple[str, ...]
    values: Mapping[str, Any]


@asynccontextmanager
async def installed(helm: Helm, release: Release) -> AsyncIterator[None]:
    """Install the services' chart; uninstall it at the end."""
    presets = (f"--values={PRESETS[preset]}" for preset in release.presets)
    values = yaml.safe_dump(dict(release.values))
    namespace = f"--namespace={release.namespace}"
    await helm("install", release.name, NEXUS, namespace, *presets, "--values=-", fed=values)
    try:
        yield
    finally:
        await helm("uninstall", release.name, namespace)


def of_kind(objects: Iterable[Object], kind: str) -> dict[str, Object]:
    """Return the objects of a kind by their names."""
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods_of(objects: Iterable[Object]) -> dict[str, Object]:
    """Return the specs of pods by the names of the Deployments and Jobs that make them."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in objects
        if one["kind"] in {"Deployment", "Job"}
    }


def merged(*values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as helm puts one above the other."""
    below: dict[str, Any] = {}
    for layer in values:
        for key, value in layer.items():
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                below[key] = merged(below[key], value)
            else:
                below[key] = value
    return below
