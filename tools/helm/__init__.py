"""Building helm, from the Go module that `go.mod` pins."""

import shutil
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

_MODULE = (Path(__file__).with_name("go.mod"), Path(__file__).with_name("go.sum"))
_PROGRAM = "helm.sh/helm/v4/cmd/helm"


async def program(cache: Path, say: Say) -> Path:
    """Return the path of helm, built when it is not in the cache.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """

    async def build(draft: Path) -> None:
        go = tool("go", "Go 1.26 or newer")
        say("building helm from source")
        # A copy, so that nothing is written beside ours.
        for file in _MODULE:
            shutil.copy(file, draft)
        command = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", "helm"]
        # Another toolchain than the one at hand would be a download nobody asked for.
        environment = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
        await run([*command, _PROGRAM], cache / "helm-build.log", draft, environment)

    return await built(cache, "helm", key_of(*_MODULE), build, say) / "helm"
