"""Says in a folder that it has begun, and reports when the file `go` is in it.

Run by a cluster: `{"folder": "..."}` is its payload.
"""

import os
import time
from pathlib import Path
from typing import Any

from examples.nexus_run import Run


def wait(payload: dict[str, Any]) -> dict[str, int]:
    folder = Path(payload["folder"])
    begun = folder / "begun"
    begun.with_suffix(".new").write_text(f"{os.getpid()}\n")
    begun.with_suffix(".new").rename(begun)
    while not (folder / "go").exists():
        time.sleep(0.01)
    return {"pid": os.getpid()}


if __name__ == "__main__":
    Run().answer(wait)
