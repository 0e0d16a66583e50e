"""Building the server from the Go modules that `go.mod` names."""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.go_programs import go_program

_PROGRAM = "github.com/versity/versitygw/cmd/versitygw"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of the server's program; see `go_program`."""
    return await go_program(cache, "s3", _PROGRAM, Path(__file__).parent, say, go="1.25")
