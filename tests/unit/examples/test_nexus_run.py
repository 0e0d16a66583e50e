"""How an algorithm talks to Nexus, against a server that answers as a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from examples.nexus_run import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    AlgorithmError,
    Child,
    NexusError,
    Run,
)

REQUEST_ID = "0192e4a0-0000-7000-8000-000000000001"
CHILD = Child("part", "0192e4a0-0000-7000-8000-000000000002")


class Received(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Answer(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str]
    breaks_off: bool = False


class ScriptedNexus:
    """Gives its answers in the order of the script, the last one again and again."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.pauses: list[float] = []
        self._script: list[Answer] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.server = TestServer(app)

    def answers(self, status: int, body: object = None, **headers: str) -> None:
        content = b"" if body is None else msgspec.json.encode(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._script.append(Answer(status, content, named))

    def breaks_off(self, after: bytes = b"") -> None:
        self._script.append(Answer(200, after, {}, breaks_off=True))

    def url(self, path: str = "") -> str:
        return str(self.server.make_url("/")).rstrip("/") + path

    def run(self, **options: Any) -> Run:
        environment = {
            "NEXUS__REQUEST_ID": REQUEST_ID,
            "NEXUS__ALGORITHM_NAME": "whole",
            "NEXUS__PAYLOAD_URL": self.url("/payload?sig=secret"),
            "NEXUS__RESULT_UPLOAD_URL": self.url("/upload?sig=secret"),
            "NEXUS__RECEIVER_URL": self.url("/receiver"),
            "NEXUS__SCHEDULER_URL": self.url("/scheduler"),
        }
        return Run(environment, **{"sleep": self.pauses.append, **options})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = dict(request.headers)
        body = await request.read()
        self.received.append(Received(request.method, request.path_qs, headers, body))
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if not answer.breaks_off:
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        response = web.StreamResponse(headers={"Content-Length": str(len(answer.body) + 1)})
        if answer.body:
            await response.prepare(request)
            await response.write(answer.body)
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def nexus() -> AsyncIterator[ScriptedNexus]:
    nexus = ScriptedNexus()
    await nexus.server.start_server()
    yield nexus
    await nexus.server.close()


async def test_the_payload_is_what_its_url_holds(nexus: ScriptedNexus) -> None:
    nexus.answers(200, {"name": "Ada"})

    payload = await asyncio.to_thread(nexus.run().read_payload)

    assert payload == {"name": "Ada"}
    assert [(seen.method, seen.path) for seen in nexus.received] == [("GET", "/payload?sig=secret")]


async def test_what_the_arguments_say_wins_over_the_environment(nexus: ScriptedNexus) -> None:
    nexus.answers(200, {})
    run = nexus.run(payload_url=nexus.url("/other"), request_id="another")

    await asyncio.to_thread(run.read_payload)

    assert nexus.received[0].path == "/other"
    assert run.request_id == "another"


async def test_an_answer_is_uploaded_and_then_reported(nexus: ScriptedNexus) -> None:
    nexus.answers(200, {"number": 21})

    await asyncio.to_thread(nexus.run().answer, lambda payload: {"doubled": 2 * payload["number"]})

    _, upload, report = nexus.received
    assert (upload.method, upload.path, upload.json) == (
        "PUT",
        "/upload?sig=secret",
        {"doubled": 42},
    )
    assert (report.method, report.json) == ("POST", {})
    assert report.path == f"/receiver/algorithm/v1/complete/whole/requests/{REQUEST_ID}"


async def test_bytes_are_uploaded_as_they_are(nexus: ScriptedNexus) -> None:
    nexus.answers(200)

    await asyncio.to_thread(nexus.run().upload_result, b"\x00\xff")

    assert nexus.received[0].body == b"\x00\xff"
    assert nexus.received[0].headers["Content-Type"] == "application/octet-stream"


async def test_an_algorithm_error_is_reported_and_nothing_uploaded(nexus: ScriptedNexus) -> None:
    def refuse(_payload: dict[str, Any]) -> None:
        raise AlgorithmError("no such place", "places[3]")

    nexus.answers(200, {})

    await asyncio.to_thread(nexus.run().answer, refuse)

    assert [seen.method for seen in nexus.received] == ["GET", "POST"]
    assert nexus.received[1].json == {"errorCause": "no such place", "errorDetails": "places[3]"}


async def test_any_other_error_passes_through_unreported(nexus: ScriptedNexus) -> None:
    nexus.answers(200, {})

    with pytest.raises(KeyError):
        await asyncio.to_thread(nexus.run().answer, lambda payload: payload["missing"])

    assert [seen.method for seen in nexus.received] == ["GET"]


async def test_a_result_that_json_does_not_know_is_not_sent(nexus: ScriptedNexus) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        await asyncio.to_thread(nexus.run().upload_result, float("nan"))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_nexus_in_trouble_is_asked_again(nexus: ScriptedNexus, status: int) -> None:
    nexus.answers(status)
    nexus.answers(status)
    nexus.answers(202, {})

    await asyncio.to_thread(nexus.run().complete)

    assert [seen.json for seen in nexus.received] == [{}, {}, {}]
    assert len(nexus.pauses) == 2


async def test_pauses_grow_up_to_a_bound_and_differ_by_chance(nexus: ScriptedNexus) -> None:
    for _ in range(12):
        nexus.answers(503)
    nexus.answers(202, {})

    await asyncio.to_thread(nexus.run().complete)

    bounds = [min(FIRST_PAUSE_SECONDS * 2**n, LONGEST_PAUSE_SECONDS) for n in range(12)]
    assert all(
        bound / 2 <= pause <= bound for pause, bound in zip(nexus.pauses, bounds, strict=True)
    )
    assert len(set(nexus.pauses)) == 12


async def test_the_pause_is_as_long_as_nexus_asks_for(nexus: ScriptedNexus) -> None:
    nexus.answers(429, Retry_After="7")
    nexus.answers(202, {})

    await asyncio.to_thread(nexus.run().complete)

    assert nexus.pauses == [7.0]


async def test_a_connection_that_breaks_off_is_made_again(nexus: ScriptedNexus) -> None:
    nexus.breaks_off()
    nexus.breaks_off(after=b'{"name": "Ada')
    nexus.answers(200, {"name": "Ada"})

    assert await asyncio.to_thread(nexus.run().read_payload) == {"name": "Ada"}
    assert len(nexus.pauses) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
async def test_a_refusal_is_not_repeated(nexus: ScriptedNexus, status: int) -> None:
    nexus.answers(status, "the reason")

    with pytest.raises(NexusError, match=f"answered {status}: .*the reason"):
        await asyncio.to_thread(nexus.run().complete)

    assert len(nexus.received) == 1


async def test_patience_ends(nexus: ScriptedNexus) -> None:
    nexus.answers(503)

    with pytest.raises(NexusError, match="answered 503: ; giving up"):
        await asyncio.to_thread(nexus.run(patience=0).complete)


def test_where_nobody_listens_patience_ends_too() -> None:
    url = f"http://127.0.0.1:{unused_port()}/payload"

    with pytest.raises(NexusError, match="giving up"):
        Run({}, payload_url=url, patience=0).read_payload()


async def test_a_signature_is_never_printed(
    nexus: ScriptedNexus, capsys: pytest.CaptureFixture[str]
) -> None:
    nexus.answers(503)
    nexus.answers(404)

    with pytest.raises(NexusError) as refusal:
        await asyncio.to_thread(nexus.run().read_payload)

    printed = capsys.readouterr().err
    assert "answered 503" in printed
    assert "sig=" not in printed + str(refusal.value)


def test_outside_of_nexus_the_missing_variable_is_named() -> None:
    with pytest.raises(NexusError, match="NEXUS__PAYLOAD_URL is not set"):
        Run({}).read_payload()


@pytest.mark.parametrize("body", [[1, 2], "text", None])
async def test_a_payload_that_is_no_object_is_refused(nexus: ScriptedNexus, body: object) -> None:
    nexus.answers(200, body)

    with pytest.raises(NexusError, match="holds no JSON"):
        await asyncio.to_thread(nexus.run().read_payload)


async def test_a_child_knows_its_parent_and_is_started_once_whoever_asks_again(
    nexus: ScriptedNexus,
) -> None:
    nexus.answers(202, {"requestId": CHILD.request_id})

    def start_two(run: Run) -> list[Child]:
        return [run.start_child("part", {"number": number}) for number in (1, 2)]

    first_try = await asyncio.to_thread(start_two, nexus.run())
    await asyncio.to_thread(start_two, nexus.run())

    assert first_try == [CHILD, CHILD]
    assert {(seen.method, seen.path) for seen in nexus.received} == {
        ("POST", "/scheduler/algorithm/run/part")
    }
    assert nexus.received[0].json == {
        "algorithmParameters": {"number": 1},
        "parentRequest": {"requestId": REQUEST_ID, "algorithmName": "whole"},
    }
    keys = [seen.headers["Idempotency-Key"] for seen in nexus.received]
    assert keys == [f"{REQUEST_ID}-1", f"{REQUEST_ID}-2"] * 2


async def test_waiting_for_a_child_gives_its_result(nexus: ScriptedNexus) -> None:
    nexus.answers(200, {"status": "BUFFERED"})
    nexus.answers(200, {"status": "RUNNING"})
    nexus.answers(200, {"status": "COMPLETED", "resultUri": nexus.url("/result?sig=secret")})
    nexus.answers(200, {"sum": 3})

    result = await asyncio.to_thread(nexus.run().wait_for, CHILD)

    assert result == {"sum": 3}
    polled = f"/scheduler/algorithm/results/part/requests/{CHILD.request_id}?wait=30s"
    assert [seen.path for seen in nexus.received] == [*[polled] * 3, "/result?sig=secret"]
    assert len(nexus.pauses) == 2


@pytest.mark.parametrize(
    "status", ["FAILED", "SCHEDULING_FAILED", "DEADLINE_EXCEEDED", "CANCELLED"]
)
async def test_a_child_that_did_not_complete_is_an_error_that_names_it(
    nexus: ScriptedNexus, status: str
) -> None:
    nexus.answers(200, {"status": status, "runErrorMessage": "it rained"})

    with pytest.raises(AlgorithmError) as failure:
        await asyncio.to_thread(nexus.run().wait_for, CHILD)

    assert str(failure.value) == f"child run part/{CHILD.request_id} ended as {status}"
    assert failure.value.details == "it rained"


async def test_a_payload_may_lie_elsewhere(nexus: ScriptedNexus) -> None:
    nexus.answers(HTTPStatus.FOUND, Location="/stored")
    nexus.answers(200, {"name": "Ada"})

    assert await asyncio.to_thread(nexus.run().read_payload) == {"name": "Ada"}
    assert nexus.received[1].path == "/stored"
