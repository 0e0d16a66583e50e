"""A fuzzing client, in a process of its own, finds nothing to complain of in what is documented.

It reads `/openapi.json` and sends what the document allows and what it forbids, with and without
the token, one request after the other and in chains; then it holds each answer to the document:
status, content type, headers and body, and what was wrong must have been refused. It draws the same
requests in every run, so that what it finds is found again.
"""

import asyncio
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

from nexus_core.aio.clock import SystemClock
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content
from nexus_core.settings.values import Secret
from support.runs import a_buffered_job, a_checkpoint
from support.services import World, open_world

TOKEN = "of-the-fuzzing-client"

# Each of its phases draws up to so many requests an operation: a few seconds for a service.
EXAMPLES = 6

# On a machine that has much else to do; the client's own report is lost when this runs out.
PATIENCE_SECONDS = 100.0

# Left out on purpose: schemas say what is well-formed, and the client would take every well-formed
# request for a sound one. That an algorithm exists, or that a cursor was answered here, is no
# matter of form.
LEFT_OUT = "positive_data_acceptance"

_COUNTED = re.compile(
    r"nexus_http_request_duration_seconds_count"
    r'\{endpoint="(.+?)",method="(.+?)",status="[23]\d\d"\} '
)


class HastyClock(SystemClock):
    """Waits a hundredth of the time, so that a long poll that the client asks for is short."""

    def monotonic(self) -> float:
        return super().monotonic() * 100

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 100)


async def test_scheduler_answers_as_it_documents(tmp_path: Path) -> None:
    async with (
        open_world(tmp_path / "nexus", HastyClock()) as world,
        world.scheduler(api_tokens=(Secret(TOKEN),)) as url,
    ):
        await keep_documented_run(world, url)

        code, report = await fuzz(url, tmp_path)
        reached = await answered_well(world, url)
        operations = await documented_operations(world, url)

    assert code == 0, report
    # Nobody but the service can sign a URL: `/data` refuses whatever a client makes up.
    assert reached == {operation for operation in operations if "/data/" not in operation[1]}


async def test_receiver_answers_as_it_documents(tmp_path: Path) -> None:
    async with (
        open_world(tmp_path / "nexus", HastyClock()) as world,
        world.receiver(api_tokens=(Secret(TOKEN),)) as url,
    ):
        await keep_documented_run(world, url)

        code, report = await fuzz(url, tmp_path)
        reached = await answered_well(world, url)
        operations = await documented_operations(world, url)

    assert code == 0, report
    assert reached == operations


async def keep_documented_run(world: World, url: str) -> None:
    """Record the run that the document gives as its example, so that the client finds one."""
    example = await documented_example(world, url)
    checkpoint = a_checkpoint(algorithm=example.algorithm, id=example.request_id, tag="first-steps")
    await world.stores.payloads.put(Content.PAYLOAD, example, b'{"name": "world"}')
    await world.stores.store.accept(checkpoint, a_buffered_job(checkpoint))
    printed = LogTail(text="what it printed\n", at=world.clock.now(), pod="its-pod")
    await world.stores.journal.keep_log(example, printed)


async def fuzz(url: str, folder: Path) -> tuple[int, str]:
    """Return the client's exit code, 0 when it found nothing, and its report."""
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
        *("--header", f"Authorization: Bearer {TOKEN}"),
        *("--exclude-checks", LEFT_OUT),
        *("--max-examples", str(EXAMPLES)),
        # What it finds is read by a person; shrinking it would take longer than finding it.
        *("--generation-deterministic", "--no-shrink", "--warnings", "off", "--no-color"),
        # Where it finds no settings of anybody's, and leaves what it writes.
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, _ = await client.communicate()
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    assert client.returncode is not None
    return client.returncode, output.decode()


async def answered_well(world: World, url: str) -> set[tuple[str, str]]:
    """Return the operations that the service has counted a success of, as (method, path)."""
    async with world.session.get(f"{url}/metrics") as answer:
        counted = _COUNTED.findall(await answer.text())
    return {(method, path) for path, method in counted}


async def documented_operations(world: World, url: str) -> set[tuple[str, str]]:
    """Return all operations but the probes, which are not counted."""
    document = await document_at(world, url)
    return {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation["tags"] != ["operations"]
    }


async def documented_example(world: World, url: str) -> RunKey:
    document = await document_at(world, url)
    operation = next(item for path, item in document["paths"].items() if "{requestId}" in path)
    [parameters] = [method["parameters"] for method in operation.values()]
    examples = {parameter["name"]: parameter.get("example") for parameter in parameters}
    return RunKey(examples["algorithmName"], examples["requestId"])


async def document_at(world: World, url: str) -> Any:
    async with world.session.get(f"{url}/openapi.json") as answer:
        return await answer.json()
