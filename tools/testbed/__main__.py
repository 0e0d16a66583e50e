"""The command line: `python -m tools.testbed up|down|status [cassandra|s3|kubernetes …]`."""

import argparse
import asyncio
import sys
from functools import partial

from tools.testbed.commands import Testbed
from tools.testbed.description import ServerName
from tools.testbed.engine import server
from tools.testbed.engine.client import engine_of_others
from tools.testbed.errors import TestbedError
from tools.testbed.kubernetes.node import machine
from tools.testbed.places import Places
from tools.testbed.servers import ON_REQUEST, SERVERS

_OBSTACLES = {"node": machine.obstacle, "engine": server.obstacle}
_NAMES = f"{', '.join(SERVERS)}; all but {', '.join(ON_REQUEST)}, when none is named"


def main() -> int:
    """Do what the command line says. Returns the exit code: 1 when something does not run."""
    parser = argparse.ArgumentParser(prog="python -m tools.testbed", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    # No `choices`: argparse checks the empty list against them.
    parser.add_argument("server", nargs="*", help=_NAMES)
    parser.add_argument(
        "--if-possible",
        action="store_true",
        help="leave out a node or an engine that this machine can't have",
    )
    arguments = parser.parse_args()
    unasked = set(SERVERS) if arguments.command == "down" else set(SERVERS) - ON_REQUEST
    names = [name for name in SERVERS if name in (arguments.server or unasked)]
    if unknown := set(arguments.server) - set(SERVERS):
        parser.error(
            f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(SERVERS)}"
        )
    places = Places.from_environment()
    if arguments.command == "up":
        names = [name for name in names if not _left_out(name, places, arguments.if_possible)]
        if not names:
            return 0
    testbed = Testbed(places, SERVERS, partial(print, flush=True))
    try:
        if arguments.command == "status":
            return 0 if testbed.status(names) else 1
        asyncio.run(testbed.up(names) if arguments.command == "up" else testbed.down(names))
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _left_out(name: ServerName, places: Places, if_possible: bool) -> bool:  # noqa: FBT001 - a flag
    """Tell whether a server is not to be started, and say why."""
    if name == "engine" and (where := engine_of_others(places)):
        print(f"engine: one answers at {where}")
        return True
    why = _OBSTACLES[name]() if if_possible and name in _OBSTACLES else ""
    if why:
        print(f"{name}: left out; {why}")
    return bool(why)


if __name__ == "__main__":
    sys.exit(main())
