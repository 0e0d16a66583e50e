"""The few lines of shell that a try runs under."""

import os
from pathlib import Path

from nexus_core.adapters.process import shim
from nexus_core.adapters.process.state import Ending
from support.processes import is_alive, number_in, until


def start(stem: Path, script: str) -> int:
    return shim.start(stem, ("/bin/sh", "-c", script), {"PATH": os.defpath}, stem.parent)


async def test_of_two_shims_of_a_try_one_runs_it(tmp_path: Path) -> None:
    stem = tmp_path / "attempt-0"

    pids = [start(stem, "echo 1 >>ran; while [ ! -e go ]; do sleep 0.01; done") for _ in range(2)]

    await until((tmp_path / "ran").exists)
    winner = number_in(tmp_path / "attempt-0.claim") or 0
    assert winner in pids
    assert shim.find(stem, watched=True) == shim.Alive(winner)
    loser = pids[0] if winner == pids[1] else pids[1]
    await until(lambda: not is_alive(loser))
    (tmp_path / "go").touch()
    await until(lambda: not is_alive(winner))
    for pid in pids:
        shim.reap(pid)
    assert (tmp_path / "ran").read_text() == "1\n"
    assert shim.find(stem, watched=True) == Ending(exit_code=0, reason="Completed")


async def test_a_try_that_nobody_began_has_not_begun(tmp_path: Path) -> None:
    assert shim.find(tmp_path / "attempt-0", watched=True) == shim.NotBegun()


async def test_only_a_try_that_nobody_watched_can_have_been_disrupted(tmp_path: Path) -> None:
    stem = tmp_path / "attempt-0"
    # No process has this number: it is above what the kernel gives out.
    (tmp_path / "attempt-0.claim").write_text(f"{2**22 + 1}\n")

    watched, unwatched = (shim.find(stem, watched=watched) for watched in (True, False))

    assert watched == Ending(exit_code=137, reason="Error", disrupted=False)
    assert unwatched == Ending(exit_code=137, reason="Error", disrupted=True)


def test_reaping_what_is_no_child_is_harmless() -> None:
    shim.reap(os.getppid())
