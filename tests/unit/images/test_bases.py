"""What images are built in and upon."""

import re
from pathlib import Path

import pytest

from support.caller import REPOSITORY
from tools.images.bases import _BASE, _BUILD, bases
from tools.testbed.engine.client import Docker
from tools.testbed.errors import TestbedError

# Has the images that stand in the file `has`, and can pull those in `offers`.
SCRIPT = """#!/bin/sh
here=$(dirname "$0")
case "$1" in
image) grep -x "$4" "$here/has" ;;
pull) grep -qx "$3" "$here/offers" || { echo "no such host" >&2; exit 1; } ;;
*) exit 1 ;;
esac
exit 0
"""


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    program = tmp_path / "docker"
    program.write_text(SCRIPT)
    program.chmod(0o755)
    for name in ("has", "offers"):
        (tmp_path / name).touch()
    return Docker(str(program), ("build",), {})


async def test_a_registrys_images_are_taken_where_it_offers_them(
    docker: Docker, tmp_path: Path
) -> None:
    (tmp_path / "offers").write_text(f"{_BUILD}\n{_BASE}\n")

    assert await bases(docker, tmp_path, {}, print) == (_BUILD, _BASE)


async def test_images_that_are_there_ask_no_registry(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "has").write_text("mine:1\nmy-base:1\n")
    named = {"BUILD_IMAGE": "mine:1", "BASE_IMAGE": "my-base:1"}

    assert await bases(docker, tmp_path, named, print) == ("mine:1", "my-base:1")


async def test_an_image_that_was_named_and_cant_be_had_has_no_stand_in(
    docker: Docker, tmp_path: Path
) -> None:
    (tmp_path / "has").write_text(f"{_BUILD}\n")

    with pytest.raises(TestbedError, match=r"my-base:1 can't be had \(no such host\)"):
        await bases(docker, tmp_path, {"BUILD_IMAGE": "", "BASE_IMAGE": "my-base:1"}, print)


def test_the_dockerfile_has_the_same_defaults() -> None:
    dockerfile = (REPOSITORY / "deploy/images/Dockerfile").read_text()

    assert re.findall(r"^ARG (?:BUILD|BASE)_IMAGE=(.*)$", dockerfile, re.MULTILINE) == [
        _BUILD,
        _BASE,
    ]
