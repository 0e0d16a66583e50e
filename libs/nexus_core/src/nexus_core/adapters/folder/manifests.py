"""Files of manifests, and what is wrong with them."""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from nexus_core.adapters.folder.yaml_documents import MAX_BYTES, YamlProblemError, read_documents
from nexus_core.domain.manifests import KINDS, Manifest, read_manifest

_SUFFIXES = frozenset({".yaml", ".yml"})


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
    # `KINDS` is no set: a document may hold a list where its kind should be, and that can't be
    # looked up in one.
    return tuple(
        _manifest(document, number)
        for number, document in enumerate(documents, start=1)
        if isinstance(document, dict) and document.get("kind") in KINDS
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
    manifest = read_manifest(document)
    return manifest if manifest.name else replace(manifest, name=f"document {number}")
