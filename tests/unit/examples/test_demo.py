"""What `make demo` prints and how it fails, against a server that answers as a test tells it to."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from examples.tsp.demo import WIDTH, draw
from support.examples import ROOT

RUN_ID = "0192e4a0-0000-7000-8000-000000000001"


class Nexus:
    """Takes the run, and tells the states it is given, one a question."""

    def __init__(self) -> None:
        self.states: list[dict[str, str]] = []
        self.submitted: list[Any] = []
        app = web.Application()
        app.router.add_post("/algorithm/run/tsp", self._accept)
        app.router.add_get(f"/algorithm/results/tsp/requests/{RUN_ID}", self._tell)
        app.router.add_get("/result", self._result)
        self.server = TestServer(app)

    @property
    def url(self) -> str:
        return str(self.server.make_url("/"))

    async def _accept(self, request: web.Request) -> web.Response:
        self.submitted.append(await request.json())
        return web.json_response({"requestId": RUN_ID}, status=202)

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response(self.states.pop(0))

    async def _result(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "tour": [str(number) for number in range(1, 53)],
                "length": 22205,
                "bestKnownLength": 7542,
                "gapPercent": 194.418,
                "iterations": 0,
                "seconds": 0.0,
            }
        )


@pytest.fixture
async def nexus() -> AsyncIterator[Nexus]:
    nexus = Nexus()
    await nexus.server.start_server()
    yield nexus
    await nexus.server.close()


async def run_demo(url: str, encoding: str = "utf-8") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "examples/tsp/demo.py",
        cwd=ROOT,
        env={"NEXUS_URL": url, "PYTHONIOENCODING": encoding},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode(encoding)


async def test_it_submits_waits_and_shows_the_tour(nexus: Nexus) -> None:
    nexus.states = [
        {"status": "BUFFERED"},
        {"status": "COMPLETED", "resultUri": f"{nexus.url}result"},
    ]

    exit_code, output = await run_demo(nexus.url)

    assert exit_code == 0
    assert len(nexus.submitted[0]["algorithmParameters"]["places"]) == 52
    assert "BUFFERED" in output
    assert "length 22205, best known 7542, gap 194.42 %" in output
    assert "1 → 2 → 3" in output
    assert "●" in output
    assert max(map(len, output.splitlines())) <= 80


async def test_a_terminal_without_braille_gets_the_tour_without_the_map(nexus: Nexus) -> None:
    nexus.states = [{"status": "COMPLETED", "resultUri": f"{nexus.url}result"}]

    exit_code, output = await run_demo(nexus.url, "ascii")

    assert exit_code == 0
    assert "1 - 2 - 3" in output


async def test_a_run_that_fails_is_told_with_its_stage_and_cause(nexus: Nexus) -> None:
    nexus.states = [{"status": "FAILED", "runErrorMessage": "it rained"}]

    exit_code, output = await run_demo(nexus.url)

    assert exit_code == 1
    assert output.splitlines()[-1] == "The run ended as FAILED: it rained"


async def test_where_nothing_listens_it_says_what_to_do() -> None:
    url = f"http://127.0.0.1:{unused_port()}"

    assert await run_demo(url) == (
        1,
        f"Nothing answers at {url}: start Nexus with `make run` in another terminal\n",
    )


async def test_an_answer_that_is_none_of_nexus_is_one_line_too(nexus: Nexus) -> None:
    exit_code, output = await run_demo(f"{nexus.url}elsewhere/")

    assert exit_code == 1
    assert output.startswith(f"{nexus.url}elsewhere/algorithm/run/tsp answered 404")


def test_a_map_is_as_wide_as_the_terminal_and_shows_every_place() -> None:
    lines = draw([(0, 0), (100, 0), (100, 50), (0, 50)])

    assert max(map(len, lines)) == WIDTH
    assert "".join(lines).count("●") == 4


def test_a_map_of_a_single_place_is_that_place() -> None:
    assert draw([(3, 4)]) == ["●"]
