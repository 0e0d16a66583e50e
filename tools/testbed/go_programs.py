"""Programs that are built from Go modules, at the versions which a `go.mod` of ours pins."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import tool

# Another toolchain than the one at hand would be a download nobody asked for.
_ENVIRONMENT = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
_FLAGS = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")


async def go_program(  # noqa: PLR0913 - what is built, where to, and how
    cache: Path,
    name: str,
    package: str,
    module: Path,
    say: Say,
    *,
    go: str,
    flags: Sequence[str] = (),
    gives_way: bool = False,
) -> Path:
    """Return the path of a program, built when it is not in the cache.

    Args:
        cache: where builds are kept.
        name: what the build is called there.
        package: what is built; the program is called like the last part of it.
        module: the folder of `go.mod` and `go.sum`.
        say: tells of the build.
        go: the least version that builds it, such as `1.26`.
        flags: of `go build`, beside those of all.
        gives_way: whether others on this machine are to go ahead of the build.

    Raises:
        TestbedError: There is no Go, or the build failed.
    """
    files = (module / "go.mod", module / "go.sum")
    program = package.rpartition("/")[2]

    async def build(draft: Path) -> None:
        command = [tool("go", f"Go {go} or newer"), "build", *flags, *_FLAGS, "-o", program]
        if gives_way:
            command.insert(0, tool("nice", "coreutils"))
        say(f"building {name} from source")
        # A copy, so that nothing is written beside ours.
        for file in files:
            shutil.copy(file, draft)
        await run([*command, package], cache / f"{name}-build.log", draft, _ENVIRONMENT)

    return await built(cache, name, key_of(*files), build, say) / program
