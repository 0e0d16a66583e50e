"""Looking at the sessions of pods, through the operating system's table of processes.

A pod is a session, so that what its program starts in the background, or in a process group of its
own, still belongs to it.
"""

import contextlib
import os
import time
from collections.abc import Iterable, Mapping

import psutil

# A killed process gives its memory back first, which takes a while when that is much.
_DYING_SECONDS = 2.0
_BETWEEN_LOOKS = 0.002


def members(sessions: Iterable[int]) -> Mapping[int, list[int]]:
    """Return the ids of the processes in each session."""
    found: dict[int, list[int]] = {session: [] for session in sessions}
    for pid in psutil.pids():
        # It may have ended since it was listed.
        with contextlib.suppress(OSError):
            session = os.getsid(pid)
            if session in found:
                found[session].append(pid)
    return found


def memory_used(pids: Iterable[int], limit: int) -> int:
    """Return how many bytes of memory processes hold together.

    Exact only around the limit: pages that processes share are counted for each, unless that would
    make the difference. Counting them once is slow.
    """
    processes = list(_processes(pids))
    held = sum(_resident(process) for process in processes)
    if held <= limit or len(processes) == 1:
        return held
    return sum(_proportional(process) for process in processes)


def end_members(session: int, marker: tuple[str, str]) -> int:
    """Kill what is left in a session whose leader has ended. Returns how many processes that were.

    Only processes with `marker` (name and value) in their environment: once a session is gone,
    its number can become another one's. They have ended on return, unless they are stuck; so have
    those that were dying already.
    """
    name, value = marker
    killed, ending = 0, []
    for process in _processes(members([session])[session]):
        if process.pid == session:
            continue
        with contextlib.suppress(psutil.Error):
            environment = _environment(process)
            is_ours = environment.get(name) == value
            if is_ours:
                process.kill()
                killed += 1
            if is_ours or not environment:
                ending.append(process)
    give_up = time.monotonic() + _DYING_SECONDS
    while any(map(_lives, ending)) and time.monotonic() < give_up:
        time.sleep(_BETWEEN_LOOKS)
    return killed


def _processes(pids: Iterable[int]) -> Iterable[psutil.Process]:
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            yield psutil.Process(pid)


def _environment(process: psutil.Process) -> dict[str, str]:
    """Return the environment of a process; one that is dying has none any more."""
    try:
        return process.environ()
    except psutil.NoSuchProcess:
        return {}


def _lives(process: psutil.Process) -> bool:
    # A zombie has ended; who reaps it is another matter.
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    """Return the memory of a process, each page divided by how many processes share it."""
    try:
        memory = process.memory_full_info()
    except psutil.Error:
        return _resident(process)
    # Only Linux knows it.
    return int(getattr(memory, "pss", memory.rss))
