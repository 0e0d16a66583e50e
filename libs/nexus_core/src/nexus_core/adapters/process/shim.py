"""Starting the processes of a try so that they outlive us, and finding them again.

A try runs under a shim, a few lines of shell that need nothing of us. All that is known of it lies
in three files: `<stem>.log` (what it prints), `<stem>.claim` (the shim's process id: it began) and
`<stem>.exit` (the exit code: it ended).
"""

import contextlib
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from nexus_core.adapters.process import sessions
from nexus_core.adapters.process.state import KILLED_EXIT_CODE, Ending

_SHELL = "/bin/sh"

# $0 is the stem of the try's files, $1 the working directory, the rest the program.
#
# The claim is made with noclobber (set -C), so by one shim only: were we killed between starting a
# shim and learning that it began, the one started after us finds the claim and gives way.
# The traps keep a program that signals its own group (`kill 0`) from ending the shim before it has
# written the exit code; the program itself gets the signals' defaults back.
# The last line ends what the program left behind in its group, as the end of a container does. The
# file needs no renaming: it is read after the shim's death only, when it is whole or not there.
_SCRIPT = """\
set -C
{ echo $$ >"$0.claim"; } 2>/dev/null || exit 0
trap : HUP INT TERM
cd "$1" && shift && "$@"
echo $? >"$0.exit"
kill -KILL 0
"""

# Python ignores these; a program expects their default.
_SIGNALS_TO_RESET = (signal.SIGPIPE, signal.SIGXFSZ)

# What a shell hands on to the program. Kubernetes allows `my.var` and `my-var` too, which some
# shells drop, and a shell takes its own variables (POSIX lists them) for itself, or dies of them.
_HANDED_ON = re.compile(r"(?!(?:IFS|LINENO|OLDPWD|OPTIND|PPID|PS[124]|PWD)$)[A-Za-z_][A-Za-z0-9_]*")
_OTHERS = "NEXUS__OTHER_VARIABLES"
# Gives those to the program, where there are any. (Rejected: `env`, which our image has not, and
# which would show their values to everybody who lists processes.)
_GIVE_OTHERS = f"""\
import json, os, signal, sys
for number in signal.SIGPIPE, signal.SIGXFSZ:
    signal.signal(number, signal.SIG_DFL)
others = json.loads(os.environ.pop("{_OTHERS}"))
os.execve(sys.argv[1], sys.argv[1:], {{**os.environ, **others}})
"""

NOBODY = 0
"""No process of ours has this number. To the operating system it means one's own group: beware."""

# A claim is empty for the microseconds between the two system calls that make it, or for good when
# the machine lost power there. A fifth of a second tells the two apart on a busy machine as well.
_LOOKS_AT_EMPTY_CLAIM = 20
_BETWEEN_LOOKS = 0.01


class CommandRefusedError(Exception):
    """The program of a Job can't be run; the message is what a container runtime says."""


class NotBegun(NamedTuple):
    """No shim of this try has begun."""


class Alive(NamedTuple):
    """The shim of this try is there."""

    pid: int
    child: bool = False
    """Whether we started it, and must reap it."""


Sighting = NotBegun | Alive | Ending


def locate(command: tuple[str, ...], path: str, directory: Path) -> tuple[str, ...]:
    """Return a command whose program the shell will find, and not take for one of its own.

    Raises:
        CommandRefusedError: the program is not there, or may not be run.
    """
    program, *arguments = command
    if not directory.is_dir():
        raise CommandRefusedError(f'chdir to cwd ("{directory}"): no such file or directory')
    if "/" not in program:
        found = shutil.which(program, path=path)
        if found is None:
            raise CommandRefusedError(f'exec: "{program}": executable file not found in $PATH')
        return (found, *arguments)
    file = directory / program
    if not file.is_file():
        raise CommandRefusedError(f'exec: "{program}": stat {program}: no such file or directory')
    if not os.access(file, os.X_OK):
        raise CommandRefusedError(f'exec: "{program}": permission denied')
    return command


def start(
    stem: Path, command: tuple[str, ...], environment: Mapping[str, str], directory: Path
) -> int:
    """Start a try; return the process id of its shim, a child of ours that must be reaped.

    `command` is what `locate` returned. Raises `OSError` when no process can be made.
    """
    log = f"{stem}.log"
    others = {name: value for name, value in environment.items() if not _HANDED_ON.fullmatch(name)}
    if others:
        handed_on = {name: environment[name] for name in environment.keys() - others.keys()}
        environment = {**handed_on, _OTHERS: json.dumps(others)}
        command = (sys.executable, "-IS", "-c", _GIVE_OTHERS, *command)
    return os.posix_spawn(
        _SHELL,
        [_SHELL, "-c", _SCRIPT, str(stem), str(directory), *command],
        environment,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=_SIGNALS_TO_RESET,
    )


def find(stem: Path, *, watched: bool) -> Sighting:
    """Tell what became of a try.

    `watched`: whether we held it all the time. One that disappeared while nobody watched was taken
    by something outside, such as a reboot: that is a disruption, and not the program's fault.
    """
    pid = claimed_by(stem)
    if pid is None:
        return NotBegun()
    # In this order: it may write the exit code and end between the two looks.
    if is_shim(pid, stem):
        return Alive(pid)
    code = _exit_code(stem)
    if code is None:
        return Ending(exit_code=KILLED_EXIT_CODE, reason="Error", disrupted=not watched)
    return Ending(exit_code=code, reason="Error" if code else "Completed")


def is_shim(pid: int, stem: Path) -> bool:
    """Tell whether a process is the shim of a try, and not another one that got its number.

    No two processes have this argument, `$0` of the script. A time of creation would tell them
    apart as well, but not when the machine's clock is set.
    """
    if pid == NOBODY:
        return False
    try:
        arguments = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return arguments[3:4] == [str(stem)]


def terminate(pid: int, stem: Path, asked: frozenset[int]) -> set[int]:
    """Ask the processes under a shim to end, but for those who were `asked`; return whom it asked.

    Each once: a second SIGTERM makes some programs give up their tidying. Not the shim, which ends
    by itself; and not a fork of the shim that has not become the program yet, since that still has
    the shim's trap and would drop the signal. It is asked when it has.
    """
    told = set()
    for member in sessions.members([pid])[pid]:
        if member not in asked and not is_shim(member, stem):
            with contextlib.suppress(ProcessLookupError):
                os.kill(member, signal.SIGTERM)
            told.add(member)
    return told


def reap(pid: int) -> None:
    """Take note of a child's death, so that it is not kept as a zombie. Others' are left alone."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def claimed_by(stem: Path) -> int | None:
    """Return who claimed a try; `NOBODY` for a claim that was never finished."""
    claim = Path(f"{stem}.claim")
    for _ in range(_LOOKS_AT_EMPTY_CLAIM):
        try:
            text = claim.read_text("ascii")
        except FileNotFoundError:
            return None
        pid, end, _ = text.partition("\n")
        if end:
            return int(pid) if pid.isdigit() else NOBODY
        time.sleep(_BETWEEN_LOOKS)
    return NOBODY


def _exit_code(stem: Path) -> int | None:
    try:
        code, end, _ = Path(f"{stem}.exit").read_text("ascii").partition("\n")
    except FileNotFoundError:
        return None
    return int(code) if end and code.isdigit() else None
