"""Building promtool from the Go modules that `go.mod` names."""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.go_programs import go_program

_PROGRAM = "github.com/prometheus/prometheus/cmd/promtool"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of promtool; see `go_program`."""
    return await go_program(
        cache,
        "promtool",
        _PROGRAM,
        Path(__file__).parent,
        say,
        go="1.26",
        # Ways to find targets bring every cloud's library with them, and half of the build.
        flags=["-tags=remove_all_sd"],
        # It is built beside tests that measure time.
        gives_way=True,
    )
