"""Where the CPU time of a run goes: each step of its path by itself, on embedded parts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import uuid_utils
import uvloop

from benchmarks.workload import ALGORITHM, CATALOGUE, request_body
from nexus_core import __version__
from nexus_core.adapters.folder.catalogue import FolderCatalogue
from nexus_core.aio.clock import SystemClock
from nexus_core.composition.data_folder import prepare_data_folder
from nexus_core.composition.stores import open_stores
from nexus_core.domain.acceptance import RunFacts, accept_run, decode_request, plan_run
from nexus_core.domain.job_manifest import RunUrls
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.domain.standard_runs import StandardRuns
from nexus_core.domain.template import WorkgroupSpec
from nexus_core.ports.payload_store import Content
from nexus_core.settings.sections import ServiceSettings
from nexus_core.telemetry.logging import LogFormat, LogLevel, configure_logging

_RUNS = 4000
_AT_ONCE = 64


class Step(NamedTuple):
    """A step of a run's path, and the microseconds of CPU it takes, all threads together."""

    name: str
    cpu: float


async def measure_steps(folder: Path) -> list[Step]:
    """Take `_RUNS` runs through each step, as many at once as the bench has clients."""
    clock = SystemClock()
    settings = prepare_data_folder(ServiceSettings(data_path=str(folder)))
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(settings, clock))
        catalogue = await stack.enter_async_context(FolderCatalogue.open([CATALOGUE], clock))
        template = catalogue.template(ALGORITHM)
        assert template is not None
        body, workgroup = request_body(), WorkgroupSpec(cluster="standalone")
        keys = [RunKey(ALGORITHM, str(uuid_utils.uuid7())) for _ in range(_RUNS)]
        standard = StandardRuns()
        plan = plan_run(decode_request(body), template, standard)
        day, now = timedelta(days=1), clock.now()

        async def decode(_: RunKey) -> None:
            plan_run(decode_request(body), template, standard)

        async def sign(key: RunKey) -> None:
            await stores.payloads.download_url(Content.PAYLOAD, key, day, plan.content_hash)
            await stores.payloads.upload_url(Content.RESULT, key, day)

        urls = RunUrls(payload="http://127.0.0.1:8080/data/v1/payloads/" + "x" * 200)

        def make(key: RunKey) -> RunFacts:
            return RunFacts(
                request_id=key.request_id,
                now=now,
                owner="bench",
                workgroup=workgroup,
                urls=urls,
                nexus_version=__version__,
            )

        runs = {key: accept_run(plan, make(key), standard) for key in keys}

        async def build(key: RunKey) -> None:
            accept_run(plan, make(key), standard)

        async def put(key: RunKey) -> None:
            await stores.payloads.put(Content.PAYLOAD, key, plan.payload)

        async def accept(key: RunKey) -> None:
            await stores.store.accept(runs[key].checkpoint, runs[key].job)

        async def start(key: RunKey) -> None:
            change = StageChange(to=Stage.RUNNING, at=now, sent_at=now, job_uid="uid")
            await stores.store.advance(key, change)

        async def finish(key: RunKey) -> None:
            change = StageChange(to=Stage.COMPLETED, at=now, result_uri="s3a://bucket/result")
            await stores.store.advance(key, change)

        steps: list[tuple[str, Callable[[RunKey], Awaitable[None]]]] = [
            ("decode the request, check it, apply it to its template", decode),
            ("sign two URLs", sign),
            ("build and encode checkpoint and Job", build),
            ("store the payload: file, fsync, rename", put),
            ("store checkpoint and Job: one group commit", accept),
            ("compare-and-set to RUNNING", start),
            ("compare-and-set to COMPLETED", finish),
        ]
        return [Step(name, await _cpu(step, keys)) for name, step in steps]


async def _cpu(step: Callable[[RunKey], Awaitable[None]], keys: list[RunKey]) -> float:
    queue = list(keys)

    async def work() -> None:
        while queue:
            await step(queue.pop())

    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(_AT_ONCE)))
    return (time.process_time() - began) / len(keys) * 1e6


def steps_in(folder: Path) -> list[Step]:
    """Measure on an event loop of our own."""
    configure_logging("bench-steps", LogLevel.ERROR, LogFormat.JSON)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure_steps(folder))
