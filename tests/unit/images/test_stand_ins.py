"""The base that is made of packages: what they brought, and nothing that was made of it."""

import tarfile
from pathlib import Path

import pytest

from tools.images import debian
from tools.testbed.errors import TestbedError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A Debian of one package per name, each with a library, a page and a copyright."""
    tree = tmp_path / "tree"
    stanzas = []
    for package in debian._BASE:
        paths = [
            f"/usr/lib/{package}.so",
            f"/usr/share/man/{package}.1",
            f"/usr/share/doc/{package}/copyright",
            f"/usr/share/doc/{package}/changelog",
        ]
        for path in paths:
            file = tree / path.removeprefix("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(package)
        info = tree / "var/lib/dpkg/info" / f"{package}:amd64.list"
        info.parent.mkdir(parents=True, exist_ok=True)
        info.write_text("\n".join(["/.", "/usr", "/usr/lib", *paths]))
        stanzas.append(f"Package: {package}\nVersion: 1\n")
    (tree / "var/lib/dpkg/status").write_text("\n".join(stanzas))
    (tree / "usr/lib/made-by-a-script.pyc").touch()
    for path in ("etc/ssl/certs/ca-certificates.crt", "usr/bin/apt"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(path)
    return tree


def _written(tree: Path, archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive, "w") as opened:
        debian._write_base(tree, opened)
    with tarfile.open(archive) as opened:
        return {member.name: member for member in opened}


def test_it_has_the_files_of_its_packages_and_no_others(tree: Path, tmp_path: Path) -> None:
    written = _written(tree, tmp_path / "base.tar")

    assert {"usr/lib/libc6.so", "usr/share/doc/libc6/copyright"} <= written.keys()
    assert "var/lib/dpkg/status.d/libc6" in written
    left_out = {"usr/lib/made-by-a-script.pyc", "usr/bin/apt", "usr/share/man/libc6.1"}
    assert not left_out & written.keys()
    assert "usr/share/doc/libc6/changelog" not in written


def test_no_folder_of_it_can_be_written_to_but_those_for_what_passes(
    tree: Path, tmp_path: Path
) -> None:
    written = _written(tree, tmp_path / "base.tar")

    open_to_all = {name for name, member in written.items() if member.mode & 0o002}
    assert open_to_all - {"tmp", "var/tmp", "usr/bin/python", "usr/bin/python3"} == set()
    assert all(str(parent) in written for name in written for parent in Path(name).parents[:-1])


def test_a_package_that_is_missing_is_named(tree: Path, tmp_path: Path) -> None:
    (tree / "var/lib/dpkg/info/zlib1g:amd64.list").unlink()

    with pytest.raises(TestbedError, match="zlib1g"):
        _written(tree, tmp_path / "base.tar")
