"""`python -m chaos`: break everything for a while, and see whether the promise holds."""

import argparse
import asyncio
import secrets
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from chaos.clients import Clients
from chaos.deeds import Act
from chaos.display import Display
from chaos.embedded import EmbeddedWorld
from chaos.real import RealWorld
from chaos.trial import Trial, first_of_each, make_plan
from chaos.world import World

# Requests a second: what two cores bear beside killed services that start again.
_RATE = 9.0

_SHOWN = 10
"""Violations of one rule."""

OpenWorld = Callable[[Path, int], AbstractAsyncContextManager[World]]

WORLDS: Mapping[str, OpenWorld] = {"embedded": EmbeddedWorld.open, "real": RealWorld.open}
"""How each world is opened: in a folder, for a seed."""


def main() -> int:
    """Return 0 when every rule holds, 1 when one is broken."""
    # Whatever goes to a server passes through this process: a slow loop would be an outage of all.
    return uvloop.run(_until_told_to_end(_run(_arguments())))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None, help="default: a random one")
    parser.add_argument("--on", choices=sorted(WORLDS), default="embedded")
    parser.add_argument("--rate", type=float, default=_RATE, help="requests a second")
    parser.add_argument("--keep", action="store_true", help="keep the folder whatever happens")
    return parser.parse_args()


async def _until_told_to_end(run: Coroutine[Any, Any, int]) -> int:
    """Run; told to end, by a signal, end all that was started."""
    task = asyncio.ensure_future(run)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


async def _run(arguments: argparse.Namespace) -> int:
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    seconds = 60 * arguments.minutes
    folder = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    display = Display()
    again = f"make chaos MINUTES={arguments.minutes:g} SEED={seed} ON={arguments.on}"
    async with WORLDS[arguments.on](folder, seed) as world, Clients.open(world, seed) as clients:
        plan = make_plan(seed, seconds, arguments.rate, world)
        (folder / "plan.json").write_bytes(msgspec.json.format(msgspec.json.encode(plan)))
        display.say(f"Chaos of seed {seed} in {folder}; again: {again}", "")
        display.say(*(str(deed) for deed in plan.deeds), "")
        trial = Trial(world, plan, clients, display)
        found = await trial.run()
    display.verdict(world, clients.outcomes, trial.mischief, found)
    runs = sum(bool(outcome.answers) for outcome in clients.outcomes)
    summary = f"{runs} runs, {trial.mischief.done[Act.KILL]} kills, seed {seed}"
    if not found:
        display.say("", f"The promise holds: {summary}. Again: {again}")
        if not arguments.keep:
            shutil.rmtree(folder)
        return 0
    (folder / "violations.json").write_bytes(msgspec.json.encode(found))
    display.say("", *(f"  {each.rule}: {each.what}" for each in first_of_each(found, _SHOWN)))
    broken = Counter(violation.rule for violation in found)
    display.say(
        "",
        f"BROKEN, {len(found)} times: {summary}. What happened is in {folder}",
        *(f"  {times:5} {rule}" for rule, times in broken.items()),
        f"Again: {again}",
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
