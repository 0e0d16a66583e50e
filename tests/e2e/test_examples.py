"""Every example, from its request body to the stage that its README names."""

import asyncio
import json
import sys
from typing import Any

from support.caller import REPOSITORY
from support.standalone import Standalone

ENDINGS = {
    "hello-world": "COMPLETED",
    "tsp": "COMPLETED",
    "fan-out": "COMPLETED",
    "fails": "FAILED",
    "out-of-memory": "FAILED",
    "overstays-deadline": "DEADLINE_EXCEEDED",
    "does-not-start": "SCHEDULING_FAILED",
}


def _request(algorithm: str) -> dict[str, Any]:
    folder = algorithm.replace("-", "_")
    body: dict[str, Any] = json.loads(
        (REPOSITORY / "examples" / folder / "request.json").read_text(encoding="utf-8")
    )
    return body


async def _run(standalone: Standalone, algorithm: str) -> dict[str, Any]:
    request_id = await standalone.submit(algorithm, _request(algorithm))
    return await standalone.finished(algorithm, request_id)


async def test_every_example_ends_as_its_readme_says(standalone: Standalone) -> None:
    await standalone.start()
    results = dict(
        zip(
            ENDINGS,
            await asyncio.gather(*(_run(standalone, algorithm) for algorithm in ENDINGS)),
            strict=True,
        )
    )
    assert {name: result["status"] for name, result in results.items()} == ENDINGS
    for algorithm, stage in ENDINGS.items():
        folder = REPOSITORY / "examples" / algorithm.replace("-", "_")
        assert stage in (folder / "README.md").read_text(encoding="utf-8")

    assert "out of memory" in results["out-of-memory"]["runErrorMessage"]
    assert "deadline" in results["overstays-deadline"]["runErrorMessage"]
    tour = await standalone.fetch(results["tsp"]["resultUri"])
    assert len(tour["tour"]) == 52
    assert 7542 <= tour["length"] <= 7542 * 1.05
    numbers = _request("fan-out")["algorithmParameters"]["numbers"]
    assert (await standalone.fetch(results["fan-out"]["resultUri"]))["sum"] == sum(numbers)


async def test_the_demo_prints_a_tour_of_berlin52(standalone: Standalone) -> None:
    await standalone.start()
    demo = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "examples.tsp.demo",
        cwd=REPOSITORY,
        env=standalone.environment(NEXUS_URL=standalone.url),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await demo.communicate()
    assert demo.returncode == 0
    assert b"A tour of 52 places" in output
    assert b"7542" in output
