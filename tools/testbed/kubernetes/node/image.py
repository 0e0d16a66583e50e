"""The image of the examples: a Debian with Python, built once, and on it the examples."""

import asyncio
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.testbed.builds import Say, built
from tools.testbed.debian import debootstrap
from tools.testbed.kubernetes.node.packages import Packages

EXAMPLES_IMAGE = "registry.example.com/nexus-examples:0.1.0"
"""As the templates of the examples name it: they run unchanged."""

PAUSE_IMAGE = "testbed.nexus/pause:1"
"""Of the container that holds a pod together; it sleeps."""

_EXAMPLES = Path(__file__).parents[4] / "examples"
_INCLUDED = ("python3-minimal", "libpython3-stdlib")
_LEFT_OUT = (
    "dev",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
)


async def base_layer(cache: Path, packages: Packages, say: Say) -> Path:
    """Return the tar file of a minimal Debian with Python, built when it is not there.

    Raises:
        TestbedError: It could not be built; names the log.
    """

    async def build(draft: Path) -> None:
        say("building an image with debootstrap")
        tree = draft / "tree"
        await debootstrap(packages, tree, _INCLUDED, cache / "node-image.log")
        await asyncio.to_thread(_pack, tree, draft / "base.tar")

    return await built(cache, "node-image", "1", build, say) / "base.tar"


def write_archive(path: Path, base: Path) -> None:
    """Write both images into one archive, as containerd imports them."""
    examples = path.with_suffix(".layer")
    with tarfile.open(examples, "w") as layer:
        layer.add(_EXAMPLES, "app/examples", filter=_source_alone)
    environment = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1"]
    images: dict[str, tuple[Sequence[Path], Mapping[str, Any]]] = {
        EXAMPLES_IMAGE: ([base, examples], {"WorkingDir": "/app", "Env": environment}),
        PAUSE_IMAGE: ([base], {"Entrypoint": ["/bin/sleep", "infinity"]}),
    }
    names = {layer: f"{_digest(layer)}.tar" for layer in (base, examples)}
    with tarfile.open(path, "w") as archive:
        for layer_path, name in names.items():
            archive.add(layer_path, name)
        manifest = []
        for tag, (layers, settings) in images.items():
            configuration = _configuration([names[layer] for layer in layers], settings)
            name = f"{hashlib.sha256(configuration).hexdigest()}.json"
            _add(archive, name, configuration)
            manifest.append(
                {"Config": name, "RepoTags": [tag], "Layers": [names[layer] for layer in layers]}
            )
        _add(archive, "manifest.json", json.dumps(manifest).encode())
    examples.unlink()


def _configuration(layers: Sequence[str], settings: Mapping[str, Any]) -> bytes:
    digests = [f"sha256:{name.removesuffix('.tar')}" for name in layers]
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": digests},
        }
    ).encode()


def _pack(tree: Path, target: Path) -> None:
    for left_out in _LEFT_OUT:
        shutil.rmtree(tree / left_out, ignore_errors=True)
        (tree / left_out).mkdir(parents=True)
    with tarfile.open(target, "w") as layer:
        layer.add(tree, ".")
    shutil.rmtree(tree)


def _source_alone(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return None if "__pycache__" in member.name else member


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
