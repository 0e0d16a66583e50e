"""Which release the tests take for the one before."""

import subprocess
from pathlib import Path

import pytest

from support.release_before import VARIABLE, expected_tags, release_before

CHANGELOG = """# Changelog

## [Unreleased] 0.3.0

## [0.2.0] - 2027-02-01

## [0.1.0] - 2027-01-01
"""


class Repository:
    """One of git, made by a test."""

    def __init__(self, folder: Path, changelog: str) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")
        (folder / "CHANGELOG.md").write_text(changelog)
        self.git("add", "CHANGELOG.md")

    def git(self, *arguments: str) -> None:
        who = ("-c", "user.name=Ada", "-c", "user.email=ada@nexus.test")
        command = ["git", "-C", str(self.folder), *who, *arguments]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - ours

    def commit(self, *tags: str) -> None:
        self.git("commit", "--quiet", "--allow-empty", "--message=a commit")
        for tag in tags:
            self.git("tag", tag)


@pytest.fixture(autouse=True)
def nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path, "# Changelog\n\n## [Unreleased] 0.1.0\n")


def test_it_is_the_newest_tag_by_version_that_a_commit_follows(repository: Repository) -> None:
    repository.commit("v0.9.0")
    repository.commit("v0.10.0", "nightly")
    repository.commit()

    assert release_before(repository.folder) == "v0.10.0"


def test_a_commit_that_is_a_release_follows_the_one_before(repository: Repository) -> None:
    repository.commit("v0.1.0")
    repository.commit("v0.2.0")

    assert release_before(repository.folder) == "v0.1.0"


def test_a_release_on_another_branch_is_none_before(repository: Repository) -> None:
    repository.commit("v0.1.0")
    repository.git("switch", "--quiet", "--create", "later")
    repository.commit("v0.2.0")
    repository.git("switch", "--quiet", "main")
    repository.commit()

    assert release_before(repository.folder) == "v0.1.0"


def test_before_the_first_release_there_is_none(repository: Repository) -> None:
    repository.commit()

    with pytest.raises(pytest.skip.Exception, match="no release before"):
        release_before(repository.folder)


def test_a_clone_without_the_tags_of_known_releases_fails(tmp_path: Path) -> None:
    repository = Repository(tmp_path, CHANGELOG)
    repository.commit()

    with pytest.raises(pytest.fail.Exception, match="git fetch --tags"):
        release_before(repository.folder)


def test_a_release_is_not_its_own_forerunner() -> None:
    assert expected_tags(CHANGELOG, "0.3.0") == ["v0.2.0", "v0.1.0"]
    assert expected_tags(CHANGELOG, "0.2.0") == ["v0.1.0"]


def test_any_commit_can_be_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "HEAD~100")

    assert release_before(repository.folder) == "HEAD~100"
