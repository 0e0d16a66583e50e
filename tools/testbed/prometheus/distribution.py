"""Building promtool from the Go modules that `go.mod` names."""

import shutil
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

_MODULE = (Path(__file__).with_name("go.mod"), Path(__file__).with_name("go.sum"))
_PROGRAM = "github.com/prometheus/prometheus/cmd/promtool"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of promtool, built when it is not there.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """

    async def build(draft: Path) -> None:
        go = tool("go", "Go 1.26 or newer")
        say("building promtool from source")
        # A copy, so that nothing is written beside ours.
        for file in _MODULE:
            shutil.copy(file, draft)
        # Ways to find targets bring every cloud's library with them, and half of the build.
        flags = ["-tags=remove_all_sd", "-trimpath", "-buildvcs=false", "-ldflags=-s -w"]
        # It is built beside tests that measure time, which are to go ahead of it.
        command = [tool("nice", "coreutils"), go, "build", *flags, "-o", "promtool", _PROGRAM]
        # Another toolchain than the one at hand would be a download nobody asked for.
        environment = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        await run(command, cache / "promtool-build.log", draft, environment)

    return await built(cache, "promtool", key_of(*_MODULE), build, say) / "promtool"
