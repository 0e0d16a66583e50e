"""Programs from packages of Debian that are unpacked into the cache, and not installed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.errors import TestbedError
from tools.testbed.tools import tool

# Many times what it takes.
_FETCH_SECONDS = 300.0


async def unpacked(cache: Path, name: str, packages: Sequence[str], say: Say) -> Path:
    """Return a folder with what packages hold, fetched when they are not there.

    Their versions are those of the system's release, which keeps no others: none is pinned. What
    they depend on is not among it.

    Args:
        cache: Where builds are kept.
        name: What the folder is called there.
        packages: Their names.
        say: Tells of the download.

    Raises:
        TestbedError: There is no apt, or it could not fetch them.
    """

    async def fetch(draft: Path) -> None:
        apt, dpkg = tool("apt-get", "Debian's apt"), tool("dpkg", "Debian's dpkg")
        say(f"fetching {', '.join(packages)}")
        log, private = cache / f"{name}.log", draft / "apt"
        (private / "lists").mkdir(parents=True)
        # Lists of its own: those of the system may be old or absent, and are not ours to renew.
        options = [
            *("-o", f"Dir::State::Lists={private / 'lists'}", "-o", f"Dir::Cache={private}"),
            *("-o", "APT::Sandbox::User=root"),
        ]
        try:
            await run([apt, *options, "update"], log, private, seconds=_FETCH_SECONDS)
            await run([apt, *options, "download", *packages], log, private, seconds=_FETCH_SECONDS)
        except TestbedError as error:
            raise TestbedError(
                f"apt could not fetch {', '.join(packages)}; its log is {log}"
            ) from error
        for package in sorted(private.glob("*.deb")):
            await run([dpkg, "-x", str(package), str(draft)], log, draft)
        shutil.rmtree(private)

    return await built(cache, name, key_of(*packages), fetch, say)
