"""One trial: a load and a schedule on a world, then calm, then the rules."""

import asyncio
import time
from collections.abc import Collection, Sequence
from contextlib import suppress

import msgspec

from chaos.clients import Clients
from chaos.deeds import Deed, make_deeds
from chaos.display import Display
from chaos.mischief import Mischief
from chaos.orders import Order, make_orders
from chaos.rules import Evidence, Violation, violations
from chaos.world import World

# Between two looks at whether all has come to rest.
_LOOK = 1.0


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a seed says."""

    seed: int
    seconds: float
    orders: tuple[Order, ...]
    deeds: tuple[Deed, ...]


def make_plan(seed: int, seconds: float, rate: float, world: World) -> Plan:
    """Return what is to happen; the same for the same seed, time, rate and world."""
    return Plan(
        seed=seed,
        seconds=seconds,
        orders=make_orders(seed, seconds, rate, world.kinds),
        deeds=make_deeds(seed, seconds, world.targets),
    )


class Trial:
    """Carries a plan out."""

    def __init__(self, world: World, plan: Plan, clients: Clients, display: Display) -> None:
        self._world = world
        self._plan = plan
        self._clients = clients
        self._display = display
        self._mischief = Mischief(world)

    async def run(self) -> list[Violation]:
        """Return what broke a rule."""
        began = time.monotonic()
        showing = asyncio.create_task(self._show(began), name="display")
        try:
            unserved = await self._upheaval(began)
            await self._calm()
            return [
                *(
                    Violation("every client is answered", f"{name} still waits")
                    for name in sorted(unserved)
                ),
                *violations(await self._evidence()),
            ]
        finally:
            showing.cancel()
            await asyncio.wait({showing})
            self._display.progress(self._clients, self._mischief, time.monotonic() - began)

    @property
    def mischief(self) -> Mischief:
        """What was done."""
        return self._mischief

    async def _upheaval(self, began: float) -> Collection[str]:
        """Let orders and deeds happen together; return whom nobody answered in the calm after."""
        async with asyncio.TaskGroup() as group:
            mischief = self._mischief.carry_out(self._plan.deeds, began)
            upset = group.create_task(mischief, name="mischief")
            serving: set[asyncio.Task[None]] = set()
            for order in self._plan.orders:
                await asyncio.sleep(max(0.0, began + order.at - time.monotonic()))
                serving.add(group.create_task(self._clients.serve(order), name=order.label))
            await upset
            waiting = await self._wait_for(serving)
            for task in waiting:
                task.cancel()
        return [task.get_name() for task in waiting]

    async def _wait_for(self, waiting: set[asyncio.Task[None]]) -> Collection[asyncio.Task[None]]:
        """Wait while clients are answered, however slow the machine is; return who is left."""
        while waiting:
            answered, waiting = await asyncio.wait(
                waiting, timeout=self._world.patience, return_when=asyncio.FIRST_COMPLETED
            )
            if not answered:
                break
        return waiting

    async def _calm(self) -> None:
        """Wait, with patience, until no run is open and no Job goes on; the rules say the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._world.patience):
                while not await self._rests():  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(_LOOK)

    async def _rests(self) -> bool:
        rows = await self._world.rows()
        jobs = await self._world.jobs()
        return all(row.ending.finished for row in rows) and not any(job.active for job in jobs)

    async def _evidence(self) -> Evidence:
        return Evidence(
            outcomes=self._clients.outcomes,
            rows=await self._world.rows(),
            open_rows=await self._world.open_rows(),
            jobs=await self._world.jobs(),
            remains=await self._world.remains(),
            lines=self._world.lines(),
            fell={name: service.fell for name, service in self._world.services.items()},
        )

    async def _show(self, began: float) -> None:
        while True:
            await asyncio.sleep(5)
            self._display.progress(self._clients, self._mischief, time.monotonic() - began)


def first_of_each(found: Sequence[Violation], most: int) -> Sequence[Violation]:
    """Return some violations of each rule: one fault may break a rule a thousand times."""
    seen: dict[str, int] = {}
    few = []
    for violation in found:
        seen[violation.rule] = seen.get(violation.rule, 0) + 1
        if seen[violation.rule] <= most:
            few.append(violation)
    return few
