from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from support.clock import ManualClock
from support.manifests import a_template_manifest, write_manifests
from support.processes import until


def opened(*folders: Path) -> AbstractAsyncContextManager[FolderCatalogue]:
    return FolderCatalogue.open(folders, ManualClock())


@pytest.mark.parametrize("name", ["missing", "file"])
async def test_a_folder_that_is_none_stops_the_start_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInputError, match=f"{name}: must be a folder"):
        async with opened(tmp_path, tmp_path / name):
            pass


async def test_problems_are_told_and_logged_once_and_vanish_when_mended(tmp_path: Path) -> None:
    file = tmp_path / "tsp.yaml"
    write_manifests(file, a_template_manifest("tsp", command=""), a_template_manifest("sound"))
    with capture_logs() as logs:
        async with opened(tmp_path) as catalogue:
            (problem,) = catalogue.problems()
            assert str(problem).startswith(
                f"{file}: NexusAlgorithmTemplate/tsp: spec.command: must name a program"
            )
            await catalogue.ping()
            await catalogue.reload()
            assert [log["field"] for log in logs if log["event"] == "manifest refused"] == [
                "spec.command"
            ]
            write_manifests(file, a_template_manifest("tsp"))
            await catalogue.reload()
            assert list(catalogue.problems()) == []
            assert catalogue.template("tsp") is not None


async def test_the_ping_fails_while_there_are_manifests_and_none_was_ever_sound(
    tmp_path: Path,
) -> None:
    file = tmp_path / "tsp.yaml"
    file.write_text("{")
    async with opened(tmp_path) as catalogue:
        with pytest.raises(UnavailableError, match=r"no manifest can be used: .*tsp\.yaml: line"):
            await catalogue.ping()
        write_manifests(file, a_template_manifest("tsp"))
        await catalogue.reload()
        await catalogue.ping()
        file.write_text("{")
        await catalogue.reload()
        await catalogue.ping()
        assert catalogue.template("tsp") is not None


async def test_a_folder_that_appears_below_is_followed(tmp_path: Path) -> None:
    async with opened(tmp_path) as catalogue:
        file = tmp_path / "new" / "deep" / "tsp.yaml"
        write_manifests(file, a_template_manifest("tsp"))
        await until(lambda: catalogue.template("tsp"))
        write_manifests(file, a_template_manifest("other"))
        await until(lambda: catalogue.template("other"))
        assert catalogue.template("tsp") is None


async def test_a_mounted_config_map_is_followed_when_its_link_is_swapped(tmp_path: Path) -> None:
    def mount(version: str, command: str) -> None:
        write_manifests(
            tmp_path / version / "tsp.yaml", a_template_manifest("tsp", command=command)
        )
        link = tmp_path / "..data_tmp"
        link.symlink_to(version)
        link.replace(tmp_path / "..data")

    mount("..2026_01", "old")
    (tmp_path / "tsp.yaml").symlink_to("..data/tsp.yaml")

    def command(catalogue: FolderCatalogue) -> str:
        template = catalogue.template("tsp")
        return template.spec.command if template else ""

    async with opened(tmp_path) as catalogue:
        assert command(catalogue) == "old"
        assert list(catalogue.problems()) == []
        mount("..2026_02", "new")
        await until(lambda: command(catalogue) == "new")


async def test_a_folder_that_is_taken_away_keeps_its_resources_and_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    write_manifests(folder / "tsp.yaml", a_template_manifest("tsp"))
    async with opened(folder) as catalogue:
        folder.rename(tmp_path / "elsewhere")
        await catalogue.reload()
        assert catalogue.template("tsp") is not None
        assert [str(problem) for problem in catalogue.problems()] == [
            f"{folder}: can't be read: No such file or directory"
        ]
