"""Every example, from its request body to the stage that its README names."""

import asyncio
import sys

from support.caller import REPOSITORY
from support.example_runs import ends_as_its_readme_says
from support.examples import ENDINGS
from support.standalone import Standalone


async def test_every_example_ends_as_its_readme_says(standalone: Standalone) -> None:
    await standalone.start()
    async with asyncio.TaskGroup() as runs:
        for algorithm in ENDINGS:
            runs.create_task(ends_as_its_readme_says(standalone, algorithm), name=algorithm)


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
