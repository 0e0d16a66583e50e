"""`make bench-real`: measure the services on the servers of the testbed, print tables."""

import argparse
import asyncio
import os
import signal
import time

import psutil
import uvloop

from benchmarks.real.contests import Arena, accepting, completing, launching
from benchmarks.real.ground import Ground, open_ground
from benchmarks.real.round_trips import count_round_trips
from benchmarks.real.swept import sweeping
from benchmarks.real.tables import print_contest, print_round_trips, print_sweeps
from benchmarks.real.turns import Length
from nexus_core.telemetry.logging import LogFormat, LogLevel, configure_logging
from tools.testbed.description import Description, read_description
from tools.testbed.errors import TestbedError
from tools.testbed.places import Places

_STEPS = ("accept", "launch", "complete", "round-trips", "sweep")

_COUNTED = 200
"""Runs whose round trips are counted."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-real", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=_STEPS, default=_STEPS, help="these (default: all)"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default 5)")
    parser.add_argument("--seconds", type=float, default=2, help="a turn, about (default 2)")
    parser.add_argument("--jobs", type=int, default=600, help="at most a turn (default 600)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="finished runs to sweep beside")
    options = parser.parse_args()
    configure_logging("bench", LogLevel.WARNING, LogFormat.JSON)
    # As Ctrl-C does: what was made on the servers is to be removed all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        described = read_description(Places.from_environment())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(described, options))
    except TestbedError as error:
        print(f"\nThe real backends are not measured: {error}")


async def _measure(described: Description, options: argparse.Namespace) -> None:
    async with open_ground(described) as ground:
        if set(options.only) != {"sweep"}:
            await _contend(ground, options)
        if "sweep" in options.only:
            print_sweeps(await sweeping(ground, options.rows, options.rounds))


async def _contend(ground: Ground, options: argparse.Namespace) -> None:
    async with Arena.open(ground, options.rounds) as arena:
        print(
            f"\nReal backends, {time.strftime('%Y-%m-%d %H:%M')}, {psutil.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f} before; medians of {options.rounds} rounds of "
            f"about {options.seconds:g} s each.\n"
            "Load, service and servers share the cores; `others` is what had no part in it."
        )
        runs = Length(options.seconds, least=500, most=5_000)
        jobs = Length(options.seconds, least=100, most=options.jobs)
        if "accept" in options.only:
            print_contest(await accepting(arena, runs))
        if "launch" in options.only:
            print_contest(await launching(arena, jobs))
        if "complete" in options.only:
            print_contest(await completing(arena, runs))
        if "round-trips" in options.only:
            print_round_trips(await count_round_trips(arena, _COUNTED), _COUNTED)


if __name__ == "__main__":
    main()
