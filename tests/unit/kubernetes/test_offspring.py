"""Which Jobs a Job owns, asked by many at once."""

import asyncio

import pytest

from nexus_core.adapters.kubernetes.offspring import Offspring
from nexus_core.domain.errors import UnavailableError
from support.clock import settle


class Lists:
    """Lists that the test lets end, and counts."""

    def __init__(self) -> None:
        self.owned: dict[str, list[str]] = {}
        self.begun = 0
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> dict[str, list[str]]:
        self.begun += 1
        seen = dict(self.owned)
        await self.go_on.wait()
        if self.error:
            raise self.error
        return seen


async def test_a_job_that_came_after_a_list_began_is_not_missed() -> None:
    lists = Lists()
    offspring = Offspring(lists)
    early = asyncio.create_task(offspring.of("parent"))
    await settle()
    lists.owned["parent"] = ["child"]
    late = asyncio.create_task(offspring.of("parent"))
    await settle()
    lists.go_on.set()

    assert await early == []
    assert await late == ["child"]


async def test_all_who_ask_while_a_list_is_under_way_share_the_next_one() -> None:
    lists = Lists()
    lists.owned["parent"] = ["child"]
    offspring = Offspring(lists)
    asking = [asyncio.create_task(offspring.of("parent"))]
    await settle()
    asking += [asyncio.create_task(offspring.of("parent")) for _ in range(100)]
    await settle()
    lists.go_on.set()

    assert await asyncio.gather(*asking) == [["child"]] * 101
    assert lists.begun == 2


async def test_a_list_that_fails_fails_one_and_the_next_asks_again() -> None:
    lists = Lists()
    lists.go_on.set()
    lists.error = UnavailableError("away")
    offspring = Offspring(lists)
    with pytest.raises(UnavailableError):
        await offspring.of("parent")

    lists.error = None
    lists.owned["parent"] = ["child"]
    assert await offspring.of("parent") == ["child"]
    assert await offspring.of("stranger") == []
