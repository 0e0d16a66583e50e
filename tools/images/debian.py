"""Two images made of Debian's packages, for where no registry answers.

One to build in, with apt, pip and a shell; and one to build on, which has the files of a few
packages and nothing else. The latter is as bare as distroless Python of the same release, whose
list of packages it takes over: what runs on one runs on the other.
"""

import asyncio
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tools.testbed.builds import Say, built, key_of
from tools.testbed.debian import debootstrap
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.node.packages import packages

# The Debian of the images that a registry offers.
_RELEASE = "bookworm"

# What the Dockerfile installs where it is missing.
_INCLUDED = ("binutils", "ca-certificates", "dash", "python3-venv", "tini")

_BASE = (
    *("base-files", "ca-certificates", "libbz2-1.0", "libc6", "libcom-err2", "libcrypt1"),
    *("libdb5.3", "libexpat1", "libffi8", "libgcc-s1", "libgomp1", "libgssapi-krb5-2"),
    *("libk5crypto3", "libkeyutils1", "libkrb5-3", "libkrb5support0", "liblzma5", "libncursesw6"),
    *("libnsl2", "libpython3.11-minimal", "libpython3.11-stdlib", "libreadline8", "libsqlite3-0"),
    *("libssl3", "libstdc++6", "libtinfo6", "libtirpc3", "libuuid1", "media-types", "netbase"),
    *("python3-distutils", "python3.11-minimal", "tzdata", "zlib1g"),
)
# Of the base alone; they come from the same tree.
_ONLY_THERE = ("libgomp1", "netbase", "tzdata")

_LEFT_OUT = ("usr/share/locale/", "usr/share/man/", "usr/share/lintian/", "usr/sbin/")
_FOLDERS = {"home": 0o755, "home/nonroot": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
_USER = 65532
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n"
    f"nonroot:x:{_USER}:{_USER}:nonroot:/home/nonroot:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nnobody:x:65534:\ntty:x:5:\nstaff:x:50:\nnonroot:x:{_USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
_LINKS = {"usr/bin/python": "python3.11", "usr/bin/python3": "python3.11"}


class StandIns(NamedTuple):
    """Two archives of a root folder each, as `docker import` takes them."""

    build: Path
    base: Path
    key: str
    """Says what they are made of."""


async def stand_ins(cache: Path, say: Say) -> StandIns:
    """Return the two archives, built when they are not there.

    Raises:
        TestbedError: They could not be built; names the log.
    """
    key = key_of(Path(__file__))

    async def build(draft: Path) -> None:
        say("making images of Debian's packages")
        tree = draft / "tree"
        tool = await packages(cache, say)
        included = (*_INCLUDED, *_ONLY_THERE)
        await debootstrap(tool, tree, included, cache / "images-debian.log", _RELEASE)
        await asyncio.to_thread(_pack, tree, draft)

    folder = await built(cache, "images-debian", key, build, say)
    return StandIns(folder / "build.tar", folder / "base.tar", key)


def _pack(tree: Path, target: Path) -> None:
    with tarfile.open(target / "base.tar", "w") as archive:
        _write_base(tree, archive)
    for left_out in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(tree / left_out)
        (tree / left_out).mkdir()
    with tarfile.open(target / "build.tar", "w") as archive:
        archive.add(tree, ".", filter=lambda member: None if member.isdev() else member)
    shutil.rmtree(tree)


def _write_base(tree: Path, archive: tarfile.TarFile) -> None:
    """Copy what the packages brought, not what their scripts made of it: as it is unpacked."""
    written: set[str] = set()
    for folder, mode in _FOLDERS.items():
        _add_parents(archive, folder, written)
        owner = _USER if folder == "home/nonroot" else 0
        archive.addfile(_member(folder, tarfile.DIRTYPE, mode, owner))
        written.add(folder)
    # Instead of those that a package brings.
    written.update(_FILES)
    for package in _BASE:
        for path in _files(tree, package):
            if path not in written:
                _add_parents(archive, path, written)
                archive.add(tree / path, path, recursive=False)
                written.add(path)
        _add_text(archive, f"var/lib/dpkg/status.d/{package}", _status(tree, package), written)
    bundle = "etc/ssl/certs/ca-certificates.crt"
    _add_text(archive, bundle, (tree / bundle).read_text(), written)
    for path, text in _FILES.items():
        _add_text(archive, path, text, written)
    for path, target in _LINKS.items():
        _add_parents(archive, path, written)
        member = _member(path, tarfile.SYMTYPE, 0o777)
        member.linkname = target
        archive.addfile(member)


def _files(tree: Path, package: str) -> Iterator[str]:
    """Go through files and links of a package, without what only people and packagers read."""
    info = tree / "var/lib/dpkg/info"
    lists = [*info.glob(f"{package}.list"), *info.glob(f"{package}:*.list")]
    if not lists:
        raise TestbedError(f"{package} is not among the packages of the build image")
    for line in lists[0].read_text().splitlines():
        path = line.removeprefix("/")
        document = path.startswith("usr/share/doc/") and not path.endswith("/copyright")
        folder = (tree / path).is_dir()
        if not (document or folder or path.startswith(_LEFT_OUT)):
            yield path


def _status(tree: Path, package: str) -> str:
    """Return what dpkg knows of a package; where distroless keeps it, scanners find it."""
    stanzas = (tree / "var/lib/dpkg/status").read_text().split("\n\n")
    return next(one for one in stanzas if one.startswith(f"Package: {package}\n")) + "\n"


def _add_text(archive: tarfile.TarFile, path: str, text: str, written: set[str]) -> None:
    _add_parents(archive, path, written)
    content = text.encode()
    member = _member(path, tarfile.REGTYPE, 0o644)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def _add_parents(archive: tarfile.TarFile, path: str, written: set[str]) -> None:
    for parent in reversed(Path(path).parents[:-1]):
        if str(parent) not in written:
            archive.addfile(_member(str(parent), tarfile.DIRTYPE, 0o755))
            written.add(str(parent))


def _member(path: str, kind: bytes, mode: int, owner: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.uid, member.gid = kind, mode, owner, owner
    return member
