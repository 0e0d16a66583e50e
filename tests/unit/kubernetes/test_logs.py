"""Logs, from nodes that are in trouble and containers that have not started."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from nexus_core.adapters.kubernetes.jobs import JobClient
from nexus_core.adapters.kubernetes.logs import PodLogs
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey
from support.clock import ManualClock
from support.clusters import PATIENCE, a_run_key
from support.kubernetes import connected
from support.scripted_api_server import (
    Handler,
    ScriptedApiServer,
    a_list,
    a_status,
    hang_up,
    json_answer,
    keep_silent,
    scripted_api_server,
)

KEY = a_run_key()
LIMIT = 4096
NODE_SECONDS = 0.2

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:01Z"}}
WAITING = {"waiting": {"reason": "ContainerCreating"}}


def ended(second: int) -> dict[str, Any]:
    at = f"2026-01-01T00:00:{second:02}Z"
    return {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": at, "finishedAt": at}}


def a_pod(name: str, state: dict[str, Any], **more: Any) -> dict[str, Any]:
    labels = {TEMPLATE_NAME_LABEL: KEY.algorithm, COMPONENT_LABEL: RUN_COMPONENT}
    sidecar = {"name": "injected", "state": WAITING}
    main = {"name": KEY.request_id, "state": state, "lastState": more.get("before", {})}
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {**labels, "batch.kubernetes.io/job-name": KEY.request_id},
        },
        "spec": {"nodeName": more.get("node", "node-0")},
        "status": {"containerStatuses": [sidecar, main]},
    }


def a_log(text: str | bytes, *, goes_on: bool = False) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        await response.write(text if isinstance(text, bytes) else text.encode())
        if goes_on:
            await asyncio.Event().wait()
        return response

    return answer


def refused(code: int, reason: str, message: str = "") -> Handler:
    return json_answer(code, a_status(code, reason, message))


class Pods:
    """Pods of a cluster, and how its server answers for the log of each."""

    def __init__(self) -> None:
        self.read: list[str] = []
        """Whose logs were asked for; `<name>-before` is that of an earlier container."""
        self.queries: list[dict[str, str]] = []
        self._pods: dict[str, dict[str, Any]] = {}
        self._logs: dict[str, Handler] = {}

    def add(
        self, name: str, state: dict[str, Any], log: Handler | None = None, **more: Any
    ) -> None:
        self._pods[name] = a_pod(name, state, **more)
        for suffix, answer in (("", log), ("-before", more.get("log_before"))):
            if answer is not None:
                self._logs[name + suffix] = answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if not request.path.endswith("/log"):
            return await a_list(*self._pods.values(), version=1)(request)
        name = request.path.split("/")[-2] + ("-before" if "previous" in request.query else "")
        self.read.append(name)
        self.queries.append(dict(request.query))
        return await self._logs[name](request)


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiServer]:
    async with scripted_api_server() as server:
        yield server


@pytest.fixture
def pods(server: ScriptedApiServer) -> Pods:
    pods = Pods()
    server.answers(pods.answer)
    return pods


@pytest.fixture
async def logs(server: ScriptedApiServer, clock: ManualClock) -> AsyncIterator[PodLogs]:
    async with connected(server.url, clock, patience=PATIENCE) as connection:
        jobs = JobClient(connection, "runs", clock, patience=1)
        yield PodLogs(connection, jobs.pods_path, jobs.pods_of, clock, NODE_SECONDS)


async def test_the_end_of_what_the_algorithms_container_prints_is_asked_for(
    pods: Pods, logs: PodLogs, clock: ManualClock
) -> None:
    pods.add("first", RUNNING, a_log("one\ntwo\n"))

    tail = await logs.tail(KEY, LIMIT)

    assert tail is not None
    assert (tail.text, tail.pod, tail.truncated) == ("one\ntwo\n", "first", False)
    assert tail.at == clock.now()
    [query] = pods.queries
    assert query["container"] == KEY.request_id
    assert int(query["tailLines"]) > 0
    # A kubelet would begin with the oldest of the lines, and leave off the last ones.
    assert "limitBytes" not in query


async def test_of_a_long_log_the_end_is_held(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", RUNNING, a_log("x" * 100_000 + "\nthe end\n"))

    tail = await logs.tail(KEY, 20)

    assert tail is not None
    assert tail.text == "x" * 11 + "\nthe end\n"
    assert tail.truncated


async def test_as_many_lines_as_were_asked_for_are_not_taken_for_all(
    pods: Pods, logs: PodLogs
) -> None:
    async def as_asked(request: web.Request) -> web.StreamResponse:
        return await a_log("\n" * int(request.query["tailLines"]))(request)

    pods.add("first", RUNNING, as_asked)

    tail = await logs.tail(KEY, LIMIT)

    assert tail is not None
    assert tail.truncated


async def test_the_newest_try_that_printed_is_told(pods: Pods, logs: PodLogs) -> None:
    pods.add("third", ended(30), a_log(""))
    pods.add("first", ended(10), a_log("from the first\n"))
    pods.add("second", ended(20), a_log("from the second\n"))

    tail = await logs.tail(KEY, LIMIT)

    assert tail is not None
    assert (tail.text, tail.pod) == ("from the second\n", "second")
    assert pods.read == ["third", "second"]


async def test_a_container_that_never_started_is_not_asked(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", WAITING)

    assert await logs.tail(KEY, LIMIT) is None
    async with logs.followed(KEY, 10) as log:
        assert log is None
    assert pods.read == []


async def test_pods_of_another_run_of_that_id_are_not_asked(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", RUNNING)

    assert await logs.tail(RunKey("other", KEY.request_id), LIMIT) is None
    assert pods.read == []


@pytest.mark.parametrize(
    "current",
    [a_log(""), refused(400, "BadRequest", "container is waiting to start: CrashLoopBackOff")],
    ids=["printed nothing", "waits"],
)
async def test_of_a_crash_loop_the_container_before_is_told(
    pods: Pods, logs: PodLogs, current: Handler
) -> None:
    waits = {"waiting": {"reason": "CrashLoopBackOff"}}
    pods.add("first", waits, current, before=ended(10), log_before=a_log("it crashed\n"))

    tail = await logs.tail(KEY, LIMIT)

    assert tail is not None
    assert tail.text == "it crashed\n"
    assert pods.read == ["first", "first-before"]


NO_LOG = {
    "pod gone": refused(404, "NotFound", 'pods "first" not found'),
    "not started": refused(400, "BadRequest", "container is waiting to start: PodInitializing"),
    # By kubelets that have begun to answer before they look.
    "container gone": a_log("unable to retrieve container logs for containerd://4711"),
    "file gone": a_log(
        'failed to open log file "/x/0.log": open /x/0.log: no such file or directory\n'
    ),
}


@pytest.mark.parametrize("answer", NO_LOG.values(), ids=NO_LOG)
async def test_where_there_is_no_log_none_is_told(
    pods: Pods, logs: PodLogs, answer: Handler
) -> None:
    pods.add("first", ended(10), answer)

    assert await logs.tail(KEY, LIMIT) is None
    assert pods.read == ["first"]


REFUSALS = {
    "no rights": (refused(403, "Forbidden", 'User "x" cannot get "pods/log"'), "cannot get"),
    "node refuses": (refused(500, "InternalError", "dial tcp 10.0.0.1:10250: refused"), "10250"),
    "cut off": (hang_up, "cut the connection"),
}


@pytest.mark.parametrize(("answer", "said"), REFUSALS.values(), ids=REFUSALS)
async def test_a_log_that_can_not_be_had_is_told_in_the_servers_words(
    pods: Pods, logs: PodLogs, answer: Handler, said: str
) -> None:
    pods.add("first", RUNNING, answer)

    with pytest.raises(UnavailableError, match=said):
        await logs.tail(KEY, LIMIT)
    with pytest.raises(UnavailableError, match=said):
        async with logs.followed(KEY, 10):
            pytest.fail("there is nothing to follow")


@pytest.mark.parametrize(
    "answer", [keep_silent, a_log("one\n", goes_on=True)], ids=["at once", "in the middle"]
)
async def test_a_node_that_does_not_answer_is_not_waited_for_again_and_again(
    pods: Pods, logs: PodLogs, clock: ManualClock, answer: Handler
) -> None:
    pods.add("first", RUNNING, answer)
    for _ in range(3):
        with pytest.raises(UnavailableError, match="no log from node node-0"):
            await logs.tail(KEY, LIMIT)
    assert pods.read == ["first"]

    await clock.advance(60)
    with pytest.raises(UnavailableError, match="no log from node node-0"):
        await logs.tail(KEY, LIMIT)
    assert pods.read == ["first", "first"]


async def test_other_nodes_are_asked_meanwhile(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", RUNNING, keep_silent)
    with pytest.raises(UnavailableError, match="no log from node node-0"):
        await logs.tail(KEY, LIMIT)

    pods.add("second", ended(20), a_log("one\n"), node="node-1")
    assert await logs.tail(KEY, LIMIT)


async def test_who_follows_is_told_the_last_lines_and_what_comes(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", RUNNING, a_log("one\ntwo\n", goes_on=True))

    async with logs.followed(KEY, 7) as log:
        assert log is not None
        assert log.pod == "first"
        assert await anext(log.chunks) == b"one\ntwo\n"
    [query] = pods.queries
    assert (query["follow"], query["tailLines"]) == ("true", "7")


async def test_what_is_followed_ends_with_its_container(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", RUNNING, a_log("one\n"))

    async with logs.followed(KEY, 7) as log:
        assert log is not None
        assert [chunk async for chunk in log.chunks] == [b"one\n"]


async def test_what_is_followed_and_breaks_off_is_not_taken_for_whole(
    pods: Pods, logs: PodLogs
) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"one\n")
        return await hang_up(request)

    pods.add("first", RUNNING, breaks_off)

    async with logs.followed(KEY, 7) as log:
        assert log is not None
        with pytest.raises(UnavailableError, match="cut the connection"):
            assert [chunk async for chunk in log.chunks] == []


async def test_where_there_is_no_log_none_is_followed(pods: Pods, logs: PodLogs) -> None:
    pods.add("first", ended(10), NO_LOG["pod gone"])

    async with logs.followed(KEY, 7) as log:
        assert log is None
