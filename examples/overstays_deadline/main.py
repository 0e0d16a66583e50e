"""An algorithm that takes longer than its template allows."""

import time
from typing import Any

from examples.nexus_run import Run

SECONDS = 60
"""Far beyond the two seconds that the template grants."""


def dawdle(_payload: dict[str, Any]) -> dict[str, str]:
    """Sleep; the answer would come too late, and never does."""
    print(f"sleeping for {SECONDS} seconds", flush=True)
    time.sleep(SECONDS)
    return {"answer": "42"}


if __name__ == "__main__":
    Run().answer(dawdle)
