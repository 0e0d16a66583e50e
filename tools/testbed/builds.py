"""What is built or unpacked once, into the cache: keyed by versions, there whole or not at all."""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp

from tools.testbed.errors import TestbedError, with_log

Say = Callable[[str], None]
"""Tells the person at the terminal about a step, in a short line."""

# A whole Kubernetes is built from source on two cores in less.
_BUILD_SECONDS = 3600.0
_BETWEEN_TRIES = 0.2


def key_of(*parts: str | bytes | Path) -> str:
    """Return a short key for what is built from these: texts, and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part
        digest.update(
            hashlib.sha256(content.encode() if isinstance(content, str) else content).digest()
        )
    return digest.hexdigest()[:16]


async def built(
    cache: Path, name: str, key: str, build: Callable[[Path], Awaitable[None]], say: Say
) -> Path:
    """Return the folder `<name>-<key>` of the cache, building it when it is not there.

    `build` fills an empty folder, which is then renamed. Older builds of the same name are left
    alone. Two who need the same at once build it once.
    """
    done = cache / f"{name}-{key}"
    if done.is_dir():
        return done
    cache.mkdir(parents=True, exist_ok=True)
    async with locked(cache / f"{name}.lock", _BUILD_SECONDS, say):
        if done.is_dir():
            return done
        draft = Path(mkdtemp(prefix=f"{name}-draft-", dir=cache))
        try:
            before = time.monotonic()
            await build(draft)
            draft.rename(done)
            say(f"built {name} in {time.monotonic() - before:.0f} s")
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return done


@contextlib.asynccontextmanager
async def locked(path: Path, seconds: float, say: Say) -> AsyncIterator[None]:
    """Hold a lock between processes; it ends with the process that holds it.

    Raises:
        TestbedError: Another process held it for all of `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up, waits = time.monotonic() + seconds, False
    with path.open("ab") as file:
        while not _lock(file.fileno()):
            if not waits:
                say(f"waiting for another process that holds {path}")
                waits = True
            if time.monotonic() >= give_up:
                raise TestbedError(f"another process held {path} for {seconds:.0f} s")
            await asyncio.sleep(_BETWEEN_TRIES)
        yield


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def run(
    command: Sequence[str],
    log: Path,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    seconds: float = _BUILD_SECONDS,
) -> None:
    """Run a tool in a folder to its end, its output appended to a log.

    Args:
        command: The program and its arguments.
        log: Where its output goes.
        folder: Where it runs.
        environment: What it finds beside the environment of this process.
        seconds: How long it may take; then it is killed, with all that it started.

    Raises:
        TestbedError: There is no such tool, or it failed, or took too long. Shows the end of the
            log.
    """
    named = " ".join(command[:4])
    with log.open("ab") as output:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise TestbedError(f"there is no {command[0]}") from error
        try:
            async with asyncio.timeout(seconds):
                code = await process.wait()
        except TimeoutError as error:
            raise with_log(f"{named} … took more than {seconds:.0f} s", log) from error
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
    if code != 0:
        raise with_log(f"{named} … failed with exit code {code}", log)
