"""An algorithm that takes more and more memory, until it is stopped for having too much."""

import time
from typing import Any

from examples.nexus_run import AlgorithmError, Run

MEBIBYTE = 1024 * 1024
STEP = 4 * MEBIBYTE
PAUSE_SECONDS = 0.05
"""80 MiB a second: over the template's limit within a second, yet no burst that escapes notice."""

ENOUGH = 512 * MEBIBYTE
"""Where it ends by itself, so that a machine that enforces no limit takes no harm."""


def hoard(_payload: dict[str, Any]) -> None:
    """Take memory in steps, and write to all of it: memory that is only reserved does not count."""
    blocks: list[bytes] = []
    while len(blocks) * STEP < ENOUGH:
        blocks.append(b"x" * STEP)
        print(f"holding {len(blocks) * STEP // MEBIBYTE} MiB", flush=True)
        time.sleep(PAUSE_SECONDS)
    raise AlgorithmError("took 512 MiB and was not stopped: is there no memory limit here?")


if __name__ == "__main__":
    Run().answer(hoard)
