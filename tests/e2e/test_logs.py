"""What an algorithm printed before it failed can be read for as long as its run is kept."""

import asyncio

import msgspec

from support.caller import PATIENCE
from support.examples import example_request
from support.standalone import Standalone


async def test_what_a_failed_run_printed_outlives_its_job_and_a_restart(
    standalone: Standalone,
) -> None:
    await standalone.start()
    request_id = await standalone.submit("fails", msgspec.json.decode(example_request("fails")))
    await standalone.finished("fails", request_id)
    job = standalone.folder / "data" / "cluster" / "jobs" / request_id
    async with asyncio.timeout(PATIENCE):
        while job.exists():  # noqa: ASYNC110 - so there is no event
            await asyncio.sleep(0.01)

    printed = await standalone.log("fails", request_id)
    assert printed[0] == "kept"
    assert "ZeroDivisionError: division by zero\n" in printed[1]

    await standalone.kill()
    await standalone.start()
    assert await standalone.log("fails", request_id) == printed
