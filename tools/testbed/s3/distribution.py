"""Building the server from the Go modules that `go.mod` names."""

import shutil
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

_MODULE = (Path(__file__).with_name("go.mod"), Path(__file__).with_name("go.sum"))
_PROGRAM = "github.com/versity/versitygw/cmd/versitygw"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of the server's program, built when it is not there.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """

    async def build(draft: Path) -> None:
        go = tool("go", "Go 1.25 or newer")
        say("building versitygw from source")
        # A copy, so that nothing is written beside ours.
        for file in _MODULE:
            shutil.copy(file, draft)
        command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "versitygw"]
        # Another toolchain than the one at hand would be a download nobody asked for.
        environment = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        await run([*command, _PROGRAM], cache / "s3-build.log", draft, environment)

    return await built(cache, "s3", key_of(*_MODULE), build, say) / "versitygw"
