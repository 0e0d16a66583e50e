"""The reference of the HTTP API says what the services document of themselves, and no more.

What is served is compared with those documents elsewhere, by schemathesis among others.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.services import World

PAGE = Path(__file__).parents[3] / "docs/reference/http-api.md"

V1, NEWEST = "/algorithm/v1", "/algorithm"
EVERYWHERE = {401, 500, 503}
"""As the page says below the table of the scheduler."""

_ROUTE = re.compile(r"`(?P<method>GET|POST|PUT) (?P<path>/[^?`]+)[^`]*`")
_STATUS = re.compile(r"(?<![\d.])[2-5]\d\d(?!\d)")
_PARAMETERS = re.compile(r"`(?P<name>[\w-]+)`")

Statuses = dict[tuple[str, str], set[int]]


def rows(title: str) -> Iterator[list[str]]:
    """Go through the rows of the tables in a section of the page, and in those below it."""
    text = PAGE.read_text("utf-8")
    level, body = re.findall(rf"^(#+) {re.escape(title)}\n((?s:.*))", text, re.MULTILINE)[0]
    section = re.split(rf"(?m:^#{{1,{len(level)}}} )", body, maxsplit=1)[0]
    for line in section.splitlines():
        if line.startswith("| "):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def statuses(cell: str) -> set[int]:
    return {int(status) for status in _STATUS.findall(cell)}


def routes(title: str, prefix: str = "") -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Go through the routes of a section, each with the cells beside it."""
    for route, *cells in rows(title):
        if found := _ROUTE.match(route):
            yield (found["method"].lower(), prefix + found["path"]), cells


def of_scheduler() -> Statuses:
    told: Statuses = {}
    for (method, path), (v1, newest) in routes("Scheduler: v1 and the newest API"):
        if v1 != "not there":
            told[method, V1 + path] = statuses(v1) | EVERYWHERE
        inherited = statuses(v1) if "the same" in newest else set()
        told[method, NEWEST + path] = inherited | statuses(newest) | EVERYWHERE
    for route, (_, answers) in routes("Data by signed URL"):
        told[route] = statuses(answers) | {500, 503}
    return told


def of_receiver() -> Statuses:
    return {route: statuses(cells[0]) for route, cells in routes("Receiver", V1)}


def documented(document: Any) -> Statuses:
    """Return the statuses of each operation that is neither a probe nor of the metrics."""
    return {
        (method, path): {int(status) for status in operation["responses"]}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.count("/") > 1
    }


async def document_at(world: World, url: str) -> Any:
    async with world.session.get(f"{url}/openapi.json") as answer:
        return await answer.json()


async def test_statuses_of_the_scheduler_are_those_that_it_documents(world: World) -> None:
    async with world.scheduler() as url:
        assert of_scheduler() == documented(await document_at(world, url))


async def test_statuses_of_the_receiver_are_those_that_it_documents(world: World) -> None:
    async with world.receiver() as url:
        assert of_receiver() == documented(await document_at(world, url))


async def test_parameters_are_those_that_the_scheduler_documents(world: World) -> None:
    async with world.scheduler() as url:
        paths = (await document_at(world, url))["paths"]
    documented = {
        (path.removeprefix(NEWEST).split("/")[1], parameter["name"])
        for path, item in paths.items()
        if path.startswith(NEWEST) and not path.startswith(V1)
        for operation in item.values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] != "path"
    }

    told = {("run", "dryRun")}
    for cell, *_ in rows("Parameters of the newest API"):
        if of := re.search(r"\(.*?of `(\w+)`\)", cell):
            told |= {(of[1], name) for name in _PARAMETERS.findall(cell.partition("(")[0])}
    assert told == documented
