"""The release before this one, from git, installed with its own locked dependencies.

A release is a commit with the tag `v<version>`. The one before is the newest of those that this
commit follows; a commit that is a release itself does not count. So whoever makes the second
release has nothing to remember: from the first tag on, its services run beside ours in the tests.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nexus_core import __version__
from support.caller import REPOSITORY
from support.release import InstalledRelease
from tools.testbed.builds import built, key_of, run
from tools.testbed.places import Places

VARIABLE = "NEXUS_PREVIOUS"
"""Names a commit that is to be taken for the release before."""

_RELEASED = re.compile(r"^## \[(\d+\.\d+\.\d+)\]", re.MULTILINE)


def release_before(repository: Path = REPOSITORY) -> str:
    """Return what git calls the release before; skips the test that asks while there is none."""
    if named := os.environ.get(VARIABLE):
        return named
    if (repository / ".git").exists() and (tag := _newest_tag(repository)):
        return tag
    changelog = (repository / "CHANGELOG.md").read_text("utf-8")
    if missing := expected_tags(changelog, __version__):
        pytest.fail(
            f"there are releases, and none of {missing} is here: git fetch --tags --unshallow"
        )
    pytest.skip(f"there is no release before {__version__} yet; {VARIABLE}=<commit> names one")


def expected_tags(changelog: str, version: str) -> list[str]:
    """Return the tags of the releases that a changelog knows, but for the one with a version."""
    return [f"v{known}" for known in _RELEASED.findall(changelog) if known != version]


def _newest_tag(repository: Path) -> str:
    """Return the newest release that a repository's commit follows; empty: none."""
    tags = _git(
        repository,
        "tag",
        "--list",
        "v[0-9]*",
        "--merged=HEAD",
        "--no-contains=HEAD",
        "--sort=-version:refname",
    )
    return tags.split("\n", 1)[0]


async def install(name: str, repository: Path = REPOSITORY) -> InstalledRelease:
    """Install what git knows by a name into the cache of the testbed, unless it is there."""
    commit = _git(repository, "rev-parse", "--verify", f"{name}^{{commit}}")
    places = Places.from_environment()
    log = places.cache / "release.log"

    async def build(folder: Path) -> None:
        archive = folder / "source.tar"
        await run([*_git_in(repository), "archive", f"--output={archive}", commit], log, folder)
        await run(["tar", "-xf", str(archive)], log, folder)
        archive.unlink()
        uv, venv = str(Path(sys.executable).with_name("uv")), str(folder / ".venv")
        # Relocatable, since the folder is renamed once it is whole.
        await run([uv, "venv", "--relocatable", f"--python={sys.executable}", venv], log, folder)
        sync = [uv, "sync", "--locked", "--all-packages", "--no-dev", "--no-editable"]
        await run(sync, log, folder, {"UV_PROJECT_ENVIRONMENT": venv, "VIRTUAL_ENV": venv})

    made = await built(places.cache, "release", key_of(commit, sys.version), build, print)
    return InstalledRelease(made / ".venv/bin/python", made)


def _git(repository: Path, *arguments: str) -> str:
    command = [*_git_in(repository), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - our own
    return done.stdout.strip()


def _git_in(repository: Path) -> list[str]:
    """Return the beginning of a command; a clone may be another user's, as where CI made it."""
    return ["git", "-C", str(repository), "-c", f"safe.directory={repository.resolve()}"]
