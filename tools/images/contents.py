"""What an image really holds: all of its files, and the packages of Python and of Debian in it."""

import re
import tarfile
from collections.abc import Iterator, Sequence
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Literal, NamedTuple

from tools.testbed.engine.client import Docker

_PYTHON = re.compile(r"opt/nexus/lib/python3\.\d+/site-packages/[^/]+\.dist-info/METADATA")
# Where distroless images have what dpkg keeps in one file.
_DEBIAN = re.compile(r"var/lib/dpkg/(status|status\.d/[^/]+(?<!\.md5sums))")
_COPYRIGHT = "usr/share/doc/{}/copyright"


class Package(NamedTuple):
    """One that is installed."""

    kind: Literal["pypi", "deb"]
    name: str
    version: str
    licences: tuple[str, ...]
    """As the package calls them; empty where it does not say it in a form for programs."""
    summary: str


async def export(docker: Docker, image: str, archive: Path) -> None:
    """Write all files of an image into an archive.

    Raises:
        TestbedError: the engine has no such image, or the disk is full.
    """
    # It is not started; but an image that says no command can't be made a container of without one.
    created = await docker("create", image, "none")
    try:
        await docker("export", f"--output={archive}", created)
    finally:
        await docker("rm", "--volumes", created)


def packages_in(archive: Path) -> list[Package]:
    """Return the packages in an archive of `export`, by kind and name."""
    with tarfile.open(archive) as opened:
        return sorted([*_python_packages(opened), *_debian_packages(opened)])


def _python_packages(archive: tarfile.TarFile) -> Iterator[Package]:
    for name in archive.getnames():
        if _PYTHON.fullmatch(name):
            said = Parser().parsestr(_text(archive, name))
            yield Package(
                "pypi", said["Name"], said["Version"], _licences(said), said["Summary"] or ""
            )


def _licences(said: Message) -> tuple[str, ...]:
    """Return what metadata of any age say: an expression, classifiers, or a field of free text."""
    if expression := said["License-Expression"]:
        return (expression,)
    classifiers = [
        classifier.rpartition(" :: ")[2]
        for classifier in said.get_all("Classifier", [])
        if classifier.startswith("License ::")
    ]
    if classifiers:
        return tuple(classifiers)
    text = said["License"] or ""
    # Some have the whole text there.
    return (text,) if text and "\n" not in text else ()


def _debian_packages(archive: tarfile.TarFile) -> Iterator[Package]:
    names = set(archive.getnames())
    for name in sorted(names):
        if not _DEBIAN.fullmatch(name):
            continue
        for stanza in _text(archive, name).split("\n\n"):
            said = Parser().parsestr(stanza)
            if not said["Package"]:
                continue
            copyright_file = _COPYRIGHT.format(said["Package"])
            text = _text(archive, copyright_file) if copyright_file in names else ""
            summary = (said["Description"] or "").partition("\n")[0]
            yield Package("deb", said["Package"], said["Version"], _of_copyright(text), summary)


def _of_copyright(text: str) -> tuple[str, ...]:
    """Return the names of licences, where a file is written for programs, too."""
    found: Sequence[str] = re.findall(r"^License: *(\S.*)$", text, re.MULTILINE)
    return tuple(sorted(set(found)))


def _text(archive: tarfile.TarFile, name: str) -> str:
    file = archive.extractfile(name)
    return file.read().decode(errors="replace") if file else ""
