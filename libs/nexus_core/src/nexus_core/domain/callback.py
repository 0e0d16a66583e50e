"""What one service tells another of runs."""

import msgspec

from nexus_core.domain.names import RunKey

FINISHED_PATH = "/internal/v1/finished"
"""Where a scheduler hears of finished runs."""


class FinishedRuns(msgspec.Struct, frozen=True):
    """These runs have each reached a finished stage, and the store says which."""

    runs: tuple[RunKey, ...]
