"""The places in which a release says which one it is."""

import re
import tomllib
from pathlib import Path

from nexus_core import __version__

ROOT = Path(__file__).parents[2]


def test_all_packages_have_the_version_of_the_library() -> None:
    files = [*ROOT.glob("libs/*/pyproject.toml"), *ROOT.glob("services/*/pyproject.toml")]
    packages = [tomllib.loads(file.read_text("utf-8"))["project"] for file in files]

    assert len(packages) > 5
    assert {package["version"] for package in packages} == {__version__}


def test_the_changelog_begins_with_this_release() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = next(line for line in changelog.splitlines() if line.startswith("## "))
    version = re.escape(__version__)

    assert re.fullmatch(rf"## (\[Unreleased\] {version}|\[{version}\] - \d{{4}}-\d\d-\d\d)", first)
