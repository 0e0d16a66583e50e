"""Docker's compose, and what the stack of deploy/compose needs beside its files.

- `go.mod`: pins the tool, for where the client of the engine has none
- `examples_image`: for the stack's Kubernetes
- `stand_ins`: servers of the stack, made of packages where no registry answers
"""

from pathlib import Path

from tools.testbed.builds import Say
from tools.testbed.go_programs import go_program

# With a release later than 2 it asks for an engine that is newer than those of many distributions.
_PROGRAM = "github.com/docker/compose/v2/cmd"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of the tool, which is what `docker compose` runs; see `go_program`."""
    return await go_program(
        cache, "compose", _PROGRAM, Path(__file__).parent, say, go="1.24", gives_way=True
    )
