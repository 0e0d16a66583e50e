import asyncio

import pytest

from nexus_core.aio.serial_lanes import SerialLanes
from nexus_core.aio.tasks import BackgroundTasks
from support.clock import settle


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _at_once() -> None:
    pass


async def _badly() -> None:
    raise RuntimeError("broken")


async def test_leaving_cancels_all_tasks() -> None:
    ended = []

    async def work(name: str) -> None:
        try:
            await _for_ever()
        finally:
            ended.append(name)

    async with BackgroundTasks() as tasks:
        tasks.start("first", work("first"))
        tasks.start("second", work("second"))
        await settle()
    assert ended == ["second", "first"]


async def test_a_task_that_fails_is_a_fault_that_names_it() -> None:
    async with BackgroundTasks() as tasks:
        tasks.start("breaks", _badly())
        assert "'breaks' failed: RuntimeError('broken')" in await tasks.fault


async def test_a_task_that_finishes_is_a_fault_that_names_it() -> None:
    async with BackgroundTasks() as tasks:
        tasks.start("stops", _at_once())
        assert await tasks.fault == "task 'stops' finished"


async def test_a_task_that_may_finish_is_none() -> None:
    async with BackgroundTasks() as tasks:
        tasks.start("stops", _at_once(), may_finish=True)
        await settle()
        assert not tasks.fault.done()


async def test_a_task_that_may_finish_may_not_fail() -> None:
    async with BackgroundTasks() as tasks:
        tasks.start("breaks", _badly(), may_finish=True)
        assert "'breaks' failed" in await tasks.fault


async def test_a_fault_is_one_of_those_above_too() -> None:
    async with BackgroundTasks() as above, BackgroundTasks(above) as tasks:
        tasks.start("stops", _at_once())
        assert await above.fault == "task 'stops' finished"


async def test_items_of_a_key_are_worked_in_order_and_others_beside_them() -> None:
    done: list[tuple[str, int]] = []
    gate = asyncio.Event()

    async def work(item: tuple[str, int]) -> None:
        if item == ("slow", 0):
            await gate.wait()
        done.append(item)

    async with SerialLanes("test", 2, work) as lanes:
        await lanes.put(0, ("slow", 0))
        await lanes.put(0, ("slow", 1))
        await lanes.put(1, ("quick", 0))
        await settle()
        assert done == [("quick", 0)]
        gate.set()
        await settle()
        assert done == [("quick", 0), ("slow", 0), ("slow", 1)]


async def test_an_item_that_fails_does_not_stop_its_lane(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 0:
            raise RuntimeError("broken")
        done.append(item)

    async with SerialLanes("test", 1, work) as lanes:
        await lanes.put("key", 0)
        await lanes.put("key", 1)
        await settle()
    assert done == [1]
    assert "broken" in capsys.readouterr().out
