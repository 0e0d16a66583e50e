"""Fetching Cassandra: all jars of `pom.xml`, in one folder of the cache."""

import shutil
from pathlib import Path

from tools.testbed.builds import Say, built, key_of, run
from tools.testbed.tools import java, tool

_POM = Path(__file__).with_name("pom.xml")
# The newest that Cassandra 5.0 runs on.
_JAVA = 17


async def jars(cache: Path, say: Say) -> Path:
    """Return the folder of Cassandra's jars, fetched when they are not there.

    Raises:
        TestbedError: There is no Maven, or it could not fetch them.
    """

    async def fetch(draft: Path) -> None:
        maven = tool("mvn", "Maven 3.6 or newer")
        say("fetching its jars from Maven's registry")
        # A copy, so that Maven writes nothing beside ours.
        shutil.copy(_POM, draft / "pom.xml")
        command = [maven, "--batch-mode", "dependency:copy-dependencies"]
        log = cache / "cassandra-fetch.log"
        await run([*command, f"-DoutputDirectory={draft / 'jars'}"], log, draft)

    return await built(cache, "cassandra", key_of(_POM), fetch, say) / "jars"


def java_of_cassandra() -> str:
    """Return the path of the Java that runs it.

    Raises:
        TestbedError: There is none.
    """
    return java(_JAVA)
