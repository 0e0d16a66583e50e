"""What everybody did and saw: lines that are only ever added, one file a writer."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from nexus_core.domain.names import RunKey


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The stage that a run is in, with all that says why."""

    stage: str
    cause: str = ""
    details: str = ""
    result_uri: str = ""

    @property
    def finished(self) -> bool:
        return self.stage not in {"", "NEW", "BUFFERED", "RUNNING"}

    def __str__(self) -> str:
        return f"{self.stage} ({self.cause or self.result_uri})"


class Changed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A service was told by the store that its change of stage is applied, its accept included."""

    at: float
    by: str
    run: RunKey
    ending: Ending


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The observer found a row that is new, or has changed."""

    at: float
    run: RunKey
    ending: Ending
    label: str = ""
    """The tag that its client gave it."""
    gone: bool = False
    """The row is there no more."""


class JobMade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A Job of a run was created, or found when it was to be created."""

    at: float
    by: str
    run: RunKey
    uid: str


class Started(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An algorithm began, and said what it found."""

    at: float
    run: RunKey
    uid: str
    """Of its Job."""
    attempt: int
    pid: int = 0


class PayloadRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An algorithm was handed its payload."""

    at: float
    run: RunKey
    label: str
    """As the payload says."""


Line = Changed | Seen | JobMade | Started | PayloadRead

_DECODER = msgspec.json.Decoder(Line)


class Recorder:
    """Adds lines to a file of its own; each is with the operating system when `write` returns."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: Line) -> None:
        os.write(self._file, msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read(folder: Path) -> Iterator[Line]:
    """Go through all lines of a folder, file by file.

    A writer that was killed may have left half a line at the end of its file.
    """
    for file in sorted(folder.glob("*.jsonl")):
        yield from parse(file.read_bytes())


def parse(content: bytes) -> Iterator[Line]:
    """Go through all whole lines."""
    for line in content.split(b"\n")[:-1]:
        yield _DECODER.decode(line)


def now() -> float:
    """Return the true time: clocks of services may jump, this one does not."""
    return time.time()
