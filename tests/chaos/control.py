"""What is wrong inside of a service just now: written by mischief, read in its process."""

import time
from enum import StrEnum
from pathlib import Path

import msgspec


class Mode(StrEnum):
    """How a part behaves."""

    REFUSES = "refuses"
    """It says that it can't, and does nothing."""
    SLOW = "slow"
    """It takes its time."""
    LATE = "late"
    """It does as asked, and its answer gets lost: who asked is told that it failed."""
    DROPS = "drops"
    """It says that it did, and did nothing. Only call backs may: nobody relies on them."""
    DOUBLES = "doubles"
    """It does everything twice."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """How a part of a service behaves for some of its calls."""

    mode: Mode
    share: float
    """Of the calls that it befalls."""
    delay: float = 0.0
    """Of a slow part, in seconds."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong inside of one service."""

    clock_offset: float = 0.0
    """How far its clock is ahead, in seconds."""
    troubles: dict[str, Trouble] = {}
    """By part: `cluster`, `callback`, or what the field of a service's parts is called."""


# A look at the file costs microseconds, but clocks are asked a thousand times a second.
_FRESH = 0.05


class Control:
    """The state of one service, as it is in its file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._state = State()
        self._looked_at = 0.0

    def state(self) -> State:
        """Return what is wrong now; looked up anew when what is known is old."""
        now = time.monotonic()
        if now - self._looked_at > _FRESH:
            self._looked_at = now
            if self._file.exists():
                self._state = msgspec.json.decode(self._file.read_bytes(), type=State)
        return self._state

    def forget(self) -> None:
        """Look it up anew whenever it is asked for next."""
        self._looked_at = 0.0

    def set(self, state: State) -> None:
        """Let the service find this state; it never sees half of it."""
        draft = self._file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(state))
        draft.replace(self._file)
