"""What is known of templates and workgroups, and how it changes when files do. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from nexus_core.adapters.folder.manifests import ManifestFile, ManifestProblem
from nexus_core.domain.errors import Problem
from nexus_core.domain.manifests import Manifest
from nexus_core.domain.template import Template, Workgroup

ResourceKey = tuple[str, str]
"""Kind and name."""


class KnownResources(msgspec.Struct, frozen=True):
    """The last sound version of each resource with the file it is from, and all problems."""

    resources: Mapping[ResourceKey, tuple[Template | Workgroup, Path]] = {}
    problems: tuple[ManifestProblem, ...] = ()

    def resource(self, kind: str, name: str) -> Template | Workgroup | None:
        """Return a resource; None when there is none."""
        found = self.resources.get((kind, name))
        return found[0] if found else None

    def templates(self) -> list[Template]:
        """Return all templates, by name."""
        found = (resource for resource, _ in self.resources.values())
        return sorted((r for r in found if isinstance(r, Template)), key=lambda t: t.name)


def reconcile(known: KnownResources, files: Sequence[ManifestFile]) -> KnownResources:
    """Return what is known after files, in the order of their precedence, were read again.

    What is in no file any more is gone; what is there and not sound stays as it was known, and so
    does all that was in a file or folder which can't be read.
    """
    resources: dict[ResourceKey, tuple[Template | Workgroup, Path]] = {}
    problems: list[ManifestProblem] = []
    moved: list[tuple[ResourceKey, Path]] = []
    for file in files:
        if file.problem:
            problems.append(ManifestProblem(str(file.path), "", "", file.problem))
            for key, (last, source) in known.resources.items():
                if file.path == source or file.path in source.parents:
                    resources.setdefault(key, (last, source))
        for manifest in file.manifests:
            key = (manifest.kind, manifest.name)
            problems.extend(_told(file.path, manifest, manifest.problems))
            version = manifest.resource
            if version is None and key in known.resources:
                last, source = known.resources[key]
                version = last if source == file.path else None
                moved.append((key, file.path))
            if version is not None and key not in resources:
                resources[key] = (version, file.path)
            elif version is not None:
                taken = Problem("metadata.name", f"must be unique; see {resources[key][1]}")
                problems.extend(_told(file.path, manifest, (taken,)))
    # Made unsound and moved to another file at once: still there, unless another file has it.
    for key, path in moved:
        resources.setdefault(key, (known.resources[key][0], path))
    return KnownResources(resources, tuple(problems))


def _told(path: Path, manifest: Manifest, problems: Sequence[Problem]) -> list[ManifestProblem]:
    name = f"{manifest.kind}/{manifest.name}"
    return [ManifestProblem(str(path), name, one.field, one.message) for one in problems]
