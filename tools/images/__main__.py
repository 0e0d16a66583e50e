"""The command line: `python -m tools.images build|sbom|engine [scheduler …]`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.images.bases import bases
from tools.images.building import REPOSITORY, SERVICES, Plan, image_of, version_of
from tools.images.contents import export
from tools.images.sbom import bill
from tools.testbed.builds import Say
from tools.testbed.engine.client import engine
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

_BILLS = REPOSITORY / "dist/sbom"


def main() -> int:
    """Do what the command line says. Returns the exit code: 1 when something was not done."""
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    parser.add_argument("command", choices=list(_COMMANDS))
    # No `choices`: argparse checks the empty list against them.
    parser.add_argument("service", nargs="*", help=f"{', '.join(SERVICES)}; all by default")
    arguments = parser.parse_args()
    if unknown := set(arguments.service) - set(SERVICES):
        parser.error(f"no such service: {', '.join(sorted(unknown))}")
    try:
        act = _COMMANDS[arguments.command]
        asyncio.run(act(arguments.service or SERVICES, partial(print, flush=True)))
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def _build(services: Sequence[str], say: Say) -> None:
    places = Places.from_environment()
    cache, docker = places.cache, engine(places)
    plan = Plan(
        docker,
        await bases(docker, cache, os.environ, say),
        await version_of(),
        os.environ,
        cache / "images-build.log",
    )
    # One after the other: what they share is built once, by the first.
    for service in services:
        await plan.build(service, say)


async def _list(services: Sequence[str], say: Say) -> None:
    """Write what is in the images that were built, a file each."""
    docker, version = engine(Places.from_environment()), await version_of()
    _BILLS.mkdir(parents=True, exist_ok=True)
    for service in services:
        image, file = image_of(service, version.version, os.environ), _BILLS / f"{service}.cdx.json"
        with TemporaryDirectory() as folder:
            archive = Path(folder) / "image.tar"
            await export(docker, image, archive)
            file.write_text(bill(service, version, archive))
        say(f"{image}: {file.relative_to(REPOSITORY)}")


async def _tell(_: Sequence[str], say: Say) -> None:
    """Say which engine builds images, if there is one."""
    docker = engine(Places.from_environment())
    say(f"images: by Docker {await docker('version', '--format={{.Server.Version}}')}")


_COMMANDS = {"build": _build, "sbom": _list, "engine": _tell}


if __name__ == "__main__":
    sys.exit(main())
