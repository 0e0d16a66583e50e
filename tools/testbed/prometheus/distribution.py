"""Building promtool and the server from the Go modules that `go.mod` names."""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.go_programs import go_program

_PROMTOOL = "github.com/prometheus/prometheus/cmd/promtool"
_SERVER = "github.com/prometheus/prometheus/cmd/prometheus"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of promtool; see `go_program`."""
    return await _built(cache, _PROMTOOL, say)


async def server(cache: Path, say: Say) -> Path:
    """Return the path of the server, which has an API and no pages for people; see `go_program`."""
    return await _built(cache, _SERVER, say)


async def _built(cache: Path, package: str, say: Say) -> Path:
    return await go_program(
        cache,
        package.rpartition("/")[2],
        package,
        Path(__file__).parent,
        say,
        go="1.26",
        # Ways to find targets bring every cloud's library with them, and half of the build.
        flags=["-tags=remove_all_sd"],
        # It is built beside tests that measure time.
        gives_way=True,
    )
