import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from nexus_core.adapters.folder.manifests import read_folders, read_manifests
from nexus_core.domain.manifests import Manifest
from support.manifests import (
    a_manifest,
    a_template_manifest,
    a_workgroup_manifest,
    write_manifests,
)


def read(*documents: Any) -> tuple[Manifest, ...]:
    return read_manifests(yaml.safe_dump_all(documents).encode())


def problems(document: Any) -> list[str]:
    (manifest,) = read(document)
    assert manifest.resource is None
    return [str(problem) for problem in manifest.problems]


def test_takes_what_a_cluster_takes_and_ignores_other_kinds() -> None:
    manifests = read(
        a_template_manifest(),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {}},
        a_workgroup_manifest(),
        "not an object",
        ["nor", "this"],
        {"kind": ["strange"]},
    )
    assert [manifest.name for manifest in manifests] == ["hello-world", "default"]
    assert all(manifest.resource for manifest in manifests)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"command": 1}, "spec.command: must be a string, not int: put it into quotes"),
        ({"command": True}, "spec.command: must be a string, not bool: put it into quotes"),
        ({"command": None}, "spec.command: must be str, not null"),
        ({"comand": "x"}, "spec.comand: is not a field that is known here"),
        ({"args": ["a", 2.5]}, "spec.args[1]: must be a string, not float: put it into quotes"),
        ({"args": "a"}, "spec.args: must be array or null, not str"),
        ({"container": {"image": "a"}}, "spec.container.registry: must be there"),
        (
            {"computeResources": {"limits": {"cpu": True}}},
            "spec.computeResources.limits[...]: must be int or float or str, not bool",
        ),
        (
            {"computeResources": {"limits": {"cpu": "much"}}},
            "spec.computeResources.limits.cpu: must be a quantity such as",
        ),
        (
            {"runtimeEnvironment": {"environmentVariables": [{"name": "N", "value": 1}]}},
            "spec.runtimeEnvironment.environmentVariables[0].value: must be a string",
        ),
    ],
)
def test_says_which_field_is_wrong_and_what_it_may_be(
    changes: dict[str, Any], expected: str
) -> None:
    (problem,) = problems(a_template_manifest(**changes))
    assert problem.startswith(expected)


@pytest.mark.parametrize("spec", [None, [], "text"])
def test_a_spec_is_an_object(spec: Any) -> None:
    (problem,) = problems(a_manifest("NexusAlgorithmTemplate", "hello-world", spec))
    assert problem.startswith("spec: must be object")


@pytest.mark.parametrize("metadata", [None, [], {}, {"name": 1}, {"name": "../x"}, {"name": "A"}])
def test_a_resource_has_a_name(metadata: Any) -> None:
    (problem,) = problems({**a_template_manifest(), "metadata": metadata})
    assert problem.startswith("metadata.name: must be a lower-case DNS name")


def test_another_version_of_our_kinds_is_no_other_kind() -> None:
    document = {**a_template_manifest(), "apiVersion": "science.sneaksanddata.com/v2"}
    assert problems(document) == ["apiVersion: must be science.sneaksanddata.com/v1"]


def test_reads_all_yaml_files_below_the_folders_by_path(tmp_path: Path) -> None:
    for name in ("b/deep/one.yaml", "b/two.yml", "a/three.yaml"):
        write_manifests(tmp_path / name, a_template_manifest())
    (tmp_path / "b" / "notes.txt").write_text("{")
    write_manifests(tmp_path / "b" / ".hidden" / "x.yaml", a_template_manifest())
    (tmp_path / "b" / ".draft.yaml").write_text("{")
    files = read_folders([tmp_path / "b", tmp_path / "a", tmp_path / "b" / "deep"])
    assert [str(file.path.relative_to(tmp_path)) for file in files] == [
        "a/three.yaml",
        "b/deep/one.yaml",
        "b/two.yml",
    ]
    assert not any(file.problem for file in files)


def test_a_file_that_cannot_be_read_is_told_and_hides_no_other(tmp_path: Path) -> None:
    write_manifests(tmp_path / "sound.yaml", a_template_manifest())
    (tmp_path / "broken.yaml").write_text("{")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "binary.yaml").write_bytes(b"\xff")
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "huge.yaml").write_bytes(b"#" * 1_100_000)
    found = {file.path.name: file.problem for file in read_folders([tmp_path])}
    assert found.pop("sound.yaml") == ""
    assert found.pop("broken.yaml").startswith("line ")
    assert found == {
        "dangling.yaml": "is a link to nothing",
        "binary.yaml": "must be UTF-8; byte 0 is not",
        "pipe.yaml": "is not a regular file",
        "huge.yaml": "must be at most 1048576 bytes; it has 1048577",
    }


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    (file,) = read_folders([tmp_path / "gone"])
    assert file.path == tmp_path / "gone"
    assert file.problem == "can't be read: No such file or directory"
