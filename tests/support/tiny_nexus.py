"""A Nexus just large enough for an algorithm to run against, all in memory.

Requests are planned and Jobs are built by the real code; a Job's container runs as a process, or as
who opens it says.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestServer

from nexus_core.domain.acceptance import RunPlan, decode_request, plan_run
from nexus_core.domain.job_manifest import JobOrder, RunUrls, build_job
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import Completion
from support.examples import ROOT, example_templates, example_workgroups

PATIENCE_SECONDS = 30.0


class TinyRun:
    """A run, and what its algorithm said of it."""

    def __init__(self, key: RunKey, plan: RunPlan) -> None:
        self.key = key
        self.plan = plan
        self.result: bytes | None = None
        self.completions: list[Completion] = []
        self.reported = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def failure(self) -> str:
        """The cause that the algorithm reported; empty: it said that it succeeded."""
        [completion] = self.completions
        return completion.error_cause or ""

    @property
    def answer(self) -> Any:
        assert self.result is not None
        return msgspec.json.decode(self.result)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def start(self, job: dict[str, Any]) -> None:
        [container] = job["spec"]["template"]["spec"]["containers"]
        program, *arguments = container["command"] + container.get("args", [])
        self._process = await asyncio.create_subprocess_exec(
            sys.executable if program == "python3" else program,
            *arguments,
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                **{variable["name"]: variable["value"] for variable in container["env"]},
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def lines(self) -> AsyncIterator[str]:
        """Follow what the algorithm prints, until it ends."""
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for line in self._process.stdout:
                yield line.decode().rstrip()

    async def ended(self) -> tuple[int, str]:
        """Wait for the end of the process; return its exit code and what it printed."""
        assert self._process is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            output, _ = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, output.decode()

    async def stop(self) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.kill()
        await self._process.communicate()


Launch = Callable[[TinyRun, dict[str, Any]], Awaitable[None]]


class TinyNexus:
    """Takes requests for examples, and starts their Jobs at once."""

    def __init__(self, launch: Launch = TinyRun.start) -> None:
        self._launch = launch
        self.runs: dict[str, TinyRun] = {}
        self._accepted: dict[str, TinyRun] = {}
        app = web.Application()
        app.router.add_post("/algorithm/run/{algorithm}", self._accept)
        app.router.add_get("/algorithm/results/{algorithm}/requests/{id}", self._tell)
        app.router.add_post("/algorithm/v1/complete/{algorithm}/requests/{id}", self._complete)
        app.router.add_get("/payloads/{id}", self._payload)
        app.router.add_put("/results/{id}", self._upload)
        app.router.add_get("/results/{id}", self._result)
        self._server = TestServer(app)

    @classmethod
    @asynccontextmanager
    async def open(cls, launch: Launch = TinyRun.start) -> AsyncIterator[Self]:
        nexus = cls(launch)
        await nexus._server.start_server()
        try:
            yield nexus
        finally:
            for run in nexus.runs.values():
                await run.stop()
            await nexus._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("")).rstrip("/")

    async def submit(self, algorithm: str, body: bytes) -> TinyRun:
        plan = plan_run(decode_request(body), example_templates()[algorithm])
        run = TinyRun(RunKey(algorithm, str(uuid.uuid4())), plan)
        self.runs[run.key.request_id] = run
        await self._launch(run, build_job(self._order(run)))
        return run

    def _order(self, run: TinyRun) -> JobOrder:
        return JobOrder(
            key=run.key,
            spec=run.plan.spec,
            workgroup=example_workgroups()[run.plan.workgroup].spec,
            urls=RunUrls(
                payload=f"{self.url}/payloads/{run.key.request_id}",
                result_upload=f"{self.url}/results/{run.key.request_id}",
                receiver=self.url,
                scheduler=self.url,
            ),
            nexus_version="test",
            parent=run.plan.parent,
        )

    async def _accept(self, request: web.Request) -> web.Response:
        key = request.headers["Idempotency-Key"]
        if key not in self._accepted:
            algorithm = request.match_info["algorithm"]
            self._accepted[key] = await self.submit(algorithm, await request.read())
        request_id = self._accepted[key].key.request_id
        return web.json_response({"requestId": request_id}, status=202)

    async def _tell(self, request: web.Request) -> web.Response:
        run = self._run(request)
        assert request.query["wait"] == "30s"
        async with asyncio.timeout(PATIENCE_SECONDS):
            await run.reported.wait()
        failure = run.failure
        return web.json_response(
            {
                "requestId": run.key.request_id,
                "status": "FAILED" if failure else "COMPLETED",
                "resultUri": "" if failure else f"{self.url}/results/{run.key.request_id}",
                "runErrorMessage": failure,
            }
        )

    async def _complete(self, request: web.Request) -> web.Response:
        run = self._run(request)
        assert request.match_info["algorithm"] == run.key.algorithm
        run.completions.append(msgspec.json.decode(await request.read(), type=Completion))
        run.reported.set()
        return web.json_response({}, status=202)

    async def _payload(self, request: web.Request) -> web.Response:
        return web.Response(body=self._run(request).plan.payload)

    async def _upload(self, request: web.Request) -> web.Response:
        self._run(request).result = await request.read()
        return web.Response(status=201)

    async def _result(self, request: web.Request) -> web.Response:
        return web.Response(body=self._run(request).result)

    def _run(self, request: web.Request) -> TinyRun:
        return self.runs[request.match_info["id"]]
