import json
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tools.testbed.kubernetes.node import configuration, rules
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE, PAUSE_IMAGE, write_archive
from tools.testbed.kubernetes.node.packages import Packages

PACKAGES = Packages(Path("/cache/node-packages"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    base = folder / "base.tar"
    with tarfile.open(base, "w") as layer:
        layer.addfile(tarfile.TarInfo("bin"))
    write_archive(folder / "images.tar", base)
    return folder / "images.tar"


def read(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as opened:
        file = opened.extractfile(name)
        assert file is not None
        return json.load(file)


def test_the_archive_holds_both_images_and_all_that_they_name(archive: Path) -> None:
    images = {image["RepoTags"][0]: image for image in read(archive, "manifest.json")}

    assert set(images) == {EXAMPLES_IMAGE, PAUSE_IMAGE}
    with tarfile.open(archive) as opened:
        held = set(opened.getnames())
    for image in images.values():
        assert {image["Config"], *image["Layers"]} <= held


def test_the_examples_lie_on_the_base_where_their_command_finds_them(archive: Path) -> None:
    images = {image["RepoTags"][0]: image for image in read(archive, "manifest.json")}
    examples, pause = images[EXAMPLES_IMAGE], images[PAUSE_IMAGE]

    assert examples["Layers"][0] == pause["Layers"][0]
    settings = read(archive, examples["Config"])
    assert len(settings["rootfs"]["diff_ids"]) == len(examples["Layers"]) == 2
    with tarfile.open(archive) as opened:
        layer = opened.extractfile(examples["Layers"][1])
        assert layer is not None
        with tarfile.open(fileobj=layer) as inner:
            names = inner.getnames()
    assert f"{settings['config']['WorkingDir'][1:]}/examples/hello_world/main.py" in names
    assert not any("__pycache__" in name for name in names)


def test_containerd_finds_its_parts_and_listens_nowhere_but_here() -> None:
    settings = tomllib.loads(configuration.containerd(Path("/run/node"), PACKAGES))

    cri = settings["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["sandbox_image"] == PAUSE_IMAGE
    assert cri["stream_server_address"] == "127.0.0.1"
    runc = cri["containerd"]["runtimes"]["runc"]["options"]["BinaryName"]
    assert runc == "/cache/node-packages/usr/sbin/runc"


def test_the_kubelet_listens_on_loopback_and_asks_for_a_certificate() -> None:
    settings = configuration.kubelet(Path("/run/node"), Path("/ca.pem"), 1, "bed", rules.taint())

    assert settings["address"] == "127.0.0.1"
    assert settings["readOnlyPort"] == settings["healthzPort"] == 0
    assert settings["authentication"]["anonymous"] == {"enabled": False}
    assert settings["authentication"]["x509"] == {"clientCAFile": "/ca.pem"}
    assert settings["cgroupRoot"] == "/bed"


def test_only_who_tolerates_the_node_is_put_into_the_network_of_the_machine() -> None:
    (condition,) = rules.network_policy()["spec"]["matchConditions"]

    assert rules.taint()["key"] in condition["expression"]
