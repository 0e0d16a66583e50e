"""The command line: `python -m tools.compose`, which hands the examples to the stack."""

import asyncio
import os
import sys

from tools.compose.examples_image import save
from tools.images.building import REPOSITORY, image_of, version_of
from tools.testbed.engine.client import engine
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.node.image import EXAMPLES_IMAGE
from tools.testbed.places import Places

_ARCHIVE = REPOSITORY / "deploy/compose/.images/nexus-examples.tar"


def main() -> int:
    """Write the archive. Returns the exit code: 1 when it could not be."""
    try:
        asyncio.run(_save())
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{EXAMPLES_IMAGE} is in {_ARCHIVE.relative_to(REPOSITORY)}")
    return 0


async def _save() -> None:
    docker, version = engine(Places.from_environment()), await version_of()
    _ARCHIVE.parent.mkdir(exist_ok=True)
    await save(docker, image_of("standalone", version.version, os.environ), _ARCHIVE)


if __name__ == "__main__":
    sys.exit(main())
