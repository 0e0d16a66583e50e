import os
import shutil
from pathlib import Path

import pytest

from tools.testbed.kubernetes.node.machine import obstacle

ALL_RIGHTS = "Name:\tpython\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n"
OF_A_CONTAINER = "Name:\tpython\nCapEff:\t00000000a80425fb\nSeccomp:\t2\n"


@pytest.fixture
def status(tmp_path: Path) -> Path:
    path = tmp_path / "status"
    path.write_text(ALL_RIGHTS)
    return path


@pytest.mark.skipif(os.geteuid() == 0, reason="this is root")
def test_who_is_not_root_can_have_no_node(status: Path, tmp_path: Path) -> None:
    assert obstacle(status, tmp_path) in {"a real node needs root", "a real node needs Linux"}


@pytest.mark.skipif(os.geteuid() != 0, reason="this is not root")
class TestOfRoot:
    @pytest.mark.skipif(shutil.which("apt-get") is None, reason="this is no Debian")
    def test_nothing_stands_in_the_way_of_a_root_with_all_rights(
        self, status: Path, tmp_path: Path
    ) -> None:
        assert obstacle(status, tmp_path) == ""

    def test_the_root_of_a_container_without_rights_can_have_no_node(
        self, status: Path, tmp_path: Path
    ) -> None:
        status.write_text(OF_A_CONTAINER)

        assert "CAP_SYS_ADMIN" in obstacle(status, tmp_path)

    def test_cgroups_that_are_not_there_are_named(self, status: Path, tmp_path: Path) -> None:
        nowhere = tmp_path / "cgroups"

        assert str(nowhere) in obstacle(status, nowhere)
