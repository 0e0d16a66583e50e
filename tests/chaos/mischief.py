"""Carrying deeds out, each at its time, and putting everything right in the end."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from chaos.deeds import Act, Deed
from chaos.world import Service, World


class Mischief:
    """Does to a world what a schedule says."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.done: Counter[Act] = Counter()
        self.under_way: dict[int, Deed] = {}
        """What goes wrong just now, by its place in the schedule."""
        self._down: Counter[str] = Counter()
        """By target, how many deeds hold it down."""
        self._held: Counter[tuple[str, str]] = Counter()
        self._wrong: dict[tuple[str, str], int] = {}
        """By service and part, which deed had the last word; the clock is a part, too."""

    async def carry_out(self, deeds: Sequence[Deed], began: float) -> None:
        """Carry out all deeds; return when the last one is over and everything is right again."""
        async with asyncio.TaskGroup() as group:
            for number, deed in enumerate(deeds):
                await asyncio.sleep(max(0.0, began + deed.at - time.monotonic()))
                group.create_task(self.do(number, deed), name=f"deed {number}")
        self.put_right()

    def put_right(self) -> None:
        """Let nothing be wrong any more."""
        for name, service in self._world.services.items():
            for part in self._world.targets.parts.get(name, ()):
                service.set_trouble(part, None)
            service.set_clock(0.0)
            service.thaw()
            service.start()

    async def do(self, number: int, deed: Deed) -> None:
        """Do one thing, and undo it when it has lasted long enough."""
        self.under_way[number] = deed
        try:
            await self._act(number, deed)
        finally:
            del self.under_way[number]

    async def _act(self, number: int, deed: Deed) -> None:
        match deed.act:
            case Act.KILL | Act.STOP:
                await self._end(self._world.services[deed.target], deed)
            case Act.FREEZE:
                await self._freeze(self._world.services[deed.target], deed)
            case Act.CUT | Act.STICK:
                await self._close(deed)
            case Act.JUMP | Act.TROUBLE:
                await self._upset(number, self._world.services[deed.target], deed)

    async def _end(self, service: Service, deed: Deed) -> None:
        """End a service, and start it again. One that is down already stays down for longer."""
        self._down[deed.target] += 1
        if service.up:
            self.done[deed.act] += 1
            await (service.kill() if deed.act is Act.KILL else service.stop())
        await asyncio.sleep(deed.lasts)
        self._down[deed.target] -= 1
        if not self._down[deed.target]:
            service.start()

    async def _freeze(self, service: Service, deed: Deed) -> None:
        if not service.up:
            return
        self.done[deed.act] += 1
        service.freeze()
        await asyncio.sleep(deed.lasts)
        service.thaw()

    async def _close(self, deed: Deed) -> None:
        """Close a gate. The last of several deeds that is over opens it."""
        gate, key = self._world.gates[deed.target], ("gate", deed.target)
        self._held[key] += 1
        self.done[deed.act] += 1
        if deed.act is Act.CUT:
            gate.shut()
        else:
            gate.stick()
        await asyncio.sleep(deed.lasts)
        self._held[key] -= 1
        if not self._held[key]:
            await gate.open()

    async def _upset(self, number: int, service: Service, deed: Deed) -> None:
        """Let a part of a service be wrong for a while, unless another deed has a later word."""
        key = (service.name, deed.part or "clock")
        self._wrong[key] = number
        self.done[deed.act] += 1
        self._set(service, deed, wrong=True)
        await asyncio.sleep(deed.lasts)
        if self._wrong[key] == number:
            self._set(service, deed, wrong=False)

    def _set(self, service: Service, deed: Deed, *, wrong: bool) -> None:
        if deed.act is Act.JUMP:
            service.set_clock(deed.jump if wrong else 0.0)
        else:
            service.set_trouble(deed.part, deed.trouble if wrong else None)
