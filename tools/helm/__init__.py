"""Building helm, from the Go module that `go.mod` pins."""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.go_programs import go_program

_PROGRAM = "helm.sh/helm/v4/cmd/helm"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of helm; see `go_program`."""
    return await go_program(cache, "helm", _PROGRAM, Path(__file__).parent, say, go="1.26")
