import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from support.waiting import until
from tools.testbed.errors import TestbedError
from tools.testbed.processes import Process, recorded, start, stop_all, until_ready

_SLEEP = ["sleep", "60"]
_DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
signal.pause()
"""
_ORDERLY = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit("in order"))
print("up", flush=True)
signal.pause()
"""

_BUSY = """
import signal, threading, time
def work():
    while True:
        time.sleep(0)
for _ in range(32):
    threading.Thread(target=work, daemon=True).start()
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Where processes are started; none survives the test."""
    yield tmp_path
    for process in recorded(tmp_path):
        await process.kill()


def _python(words: str) -> list[str]:
    return [sys.executable, "-S", "-c", words]


async def _ends(process: Process) -> None:
    await until(lambda: not process.alive())


async def _says(process: Process, words: str) -> None:
    await until(lambda: words in process.log.read_text())


async def test_a_started_process_lives_until_it_is_stopped(folder: Path) -> None:
    process = start("sleeper", _SLEEP, folder)
    assert process.alive()

    await process.stop(10)

    assert not process.alive()


async def test_another_process_finds_it_by_its_record(folder: Path) -> None:
    started = start("sleeper", _SLEEP, folder / "server")

    (found,) = recorded(folder)

    assert (found.name, found.pid, found.log) == ("sleeper", started.pid, started.log)
    await stop_all([found], 10)
    assert not started.alive()


async def test_a_process_that_got_the_same_id_later_is_left_alone(folder: Path) -> None:
    process = start("sleeper", _SLEEP, folder)
    path = folder / "sleeper.process.json"
    record = json.loads(path.read_bytes())
    path.write_text(json.dumps(record | {"started": record["started"] - 60}))
    (other,) = recorded(folder)

    assert not other.alive()
    await other.stop(0)
    await other.kill()

    assert process.alive()
    await process.kill()


async def test_one_that_does_not_want_to_end_is_killed(folder: Path) -> None:
    process = start("deaf", _python(_DEAF), folder)
    await _says(process, "up")

    await process.stop(0.1)

    assert not process.alive()


async def test_a_frozen_one_lives_and_can_be_stopped_in_order(folder: Path) -> None:
    process = start("orderly", _python(_ORDERLY), folder)
    await _says(process, "up")
    await process.freeze()
    assert process.alive()

    await process.stop(30)

    assert process.log.read_text() == "up\nin order\n"


async def test_one_that_was_frozen_has_no_thread_left_that_works(folder: Path) -> None:
    process = start("busy", _python(_BUSY), folder)
    await _says(process, "up")
    threads = [psutil.Process(thread.id) for thread in psutil.Process(process.pid).threads()]

    for _ in range(10):
        await process.freeze()
        assert {thread.status() for thread in threads} == {psutil.STATUS_STOPPED}
        process.send(signal.SIGCONT)


async def test_one_that_stands_can_be_frozen_again(folder: Path) -> None:
    process = start("sleeper", _SLEEP, folder)
    await process.freeze()

    await process.freeze()

    assert psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


async def test_a_signal_to_one_that_ended_reaches_nobody(folder: Path) -> None:
    process = start("brief", ["true"], folder)
    await _ends(process)

    process.send(signal.SIGKILL)
    await process.freeze()
    await process.stop(0)


async def test_it_is_in_a_session_of_its_own_which_the_terminal_does_not_reach(
    folder: Path,
) -> None:
    process = start("sleeper", _SLEEP, folder)

    assert os.getsid(process.pid) == process.pid


async def test_the_log_of_one_start_follows_that_of_the_last(folder: Path) -> None:
    for words in ("once", "twice"):
        process = start("speaker", ["echo", words], folder)
        await _ends(process)

    assert process.log.read_text() == "once\ntwice\n"


async def test_one_that_dies_at_its_start_is_named_with_the_end_of_its_log(folder: Path) -> None:
    process = start("broken", _python("raise SystemExit('port 80 is taken')"), folder)

    async def ready() -> bool:
        return False

    with pytest.raises(TestbedError, match=r"(?s)broken died.*broken\.log.*port 80 is taken"):
        await until_ready(process, ready, 30)


async def test_one_that_is_never_ready_is_given_up(folder: Path) -> None:
    process = start("sleeper", _SLEEP, folder)

    async def ready() -> bool:
        return False

    with pytest.raises(TestbedError, match="sleeper was not ready within 0 s"):
        await until_ready(process, ready, 0.1)


def test_a_program_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(TestbedError, match="there is no no-such-program"):
        start("ghost", ["no-such-program"], folder)
