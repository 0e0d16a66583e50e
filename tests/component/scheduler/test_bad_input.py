"""Requests that are wrong: each gets a clear answer, and changes nothing."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from nexus_core.domain.checkpoint import RunFilter
from nexus_core.settings.values import ByteSize, Duration
from support.calls import PROBLEM, TEXT, UNKNOWN, Client, of
from support.services import World

PARAMETERS: dict[str, Any] = {"algorithmParameters": {}}
NO_NAMES = ("Hello", "..%2f..%2fetc%2fpasswd", "%2e%2e", "a" * 64, "a%00", "a%20b", "%ff", "-a")
NO_IDS = (
    UNKNOWN.request_id.upper(),
    UNKNOWN.request_id.replace("-", ""),
    "..%2f..%2fpasswd",
    "%2e%2e",
    "%00",
    "1",
    f"{UNKNOWN.request_id}%0a",
)


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def configured(**part: Any) -> dict[str, Any]:
    return {**PARAMETERS, "customConfiguration": part}


def limits(written: bytes) -> bytes:
    return (
        b'{"algorithmParameters":{},"customConfiguration":'
        b'{"computeResources":{"limits":{"cpu":%b}}}}' % written
    )


BODIES: list[tuple[str, bytes | dict[str, Any] | list[Any] | None, str]] = [
    # What is wrong, the body, and the field that the answer names.
    ("nothing", b"", ""),
    ("no JSON", b"name=world", ""),
    ("cut off", b'{"algorithmParameters": {"a": 1', ""),
    ("two documents", b'{"algorithmParameters": {}} {}', ""),
    ("a byte order mark", b'\xef\xbb\xbf{"algorithmParameters": {}}', ""),
    ("no UTF-8", b'{"algorithmParameters": {"a": "\xff"}}', ""),
    ("no UTF-8 in a field nobody reads", b'{"algorithmParameters": {}, "x": "\xff"}', ""),
    ("half a surrogate pair", b'{"algorithmParameters": {}, "tag": "\\ud800"}', ""),
    ("NaN", b'{"algorithmParameters": {"a": NaN}}', ""),
    ("infinity", b'{"algorithmParameters": {"a": -Infinity}}', ""),
    ("deep nesting", b'{"algorithmParameters": {"a": %b}}' % deep(100_000), ""),
    ("deep nesting elsewhere", b'{"x": %b, "algorithmParameters": {}}' % deep(100_000), ""),
    ("a list", [], ""),
    ("null", None, ""),
    ("no parameters", {"tag": "x"}, "algorithmParameters"),
    ("null parameters", {"algorithmParameters": None}, "algorithmParameters"),
    ("a list of parameters", {"algorithmParameters": [1]}, "algorithmParameters"),
    ("text for parameters", {"algorithmParameters": "{}"}, "algorithmParameters"),
    (
        "parameters said twice, the last one wrong",
        b'{"algorithmParameters": {}, "algorithmParameters": 7}',
        "algorithmParameters",
    ),
    ("a number for a tag", {**PARAMETERS, "tag": 7}, "tag"),
    ("a tag of two lines", {**PARAMETERS, "tag": "a\nb"}, "tag"),
    ("a tag that is too long", {**PARAMETERS, "tag": "x" * 1025}, "tag"),
    ("a long version", {**PARAMETERS, "requestApiVersion": "x" * 65}, "requestApiVersion"),
    ("a day as duration", {**PARAMETERS, "payloadValidFor": "1d"}, "payloadValidFor"),
    ("no duration", {**PARAMETERS, "payloadValidFor": "0s"}, "payloadValidFor"),
    ("a negative duration", {**PARAMETERS, "payloadValidFor": "-24h"}, "payloadValidFor"),
    ("an endless duration", {**PARAMETERS, "payloadValidFor": "9" * 60 + "h"}, "payloadValidFor"),
    ("text for a configuration", {**PARAMETERS, "customConfiguration": "x"}, "customConfiguration"),
    (
        "no quantity",
        limits(b'"lots"'),
        "customConfiguration.computeResources.limits.cpu",
    ),
    (
        "a negative quantity",
        limits(b'"-1"'),
        "customConfiguration.computeResources.limits.cpu",
    ),
    ("no CPU", limits(b"0"), "customConfiguration.computeResources.limits.cpu"),
    ("a huge number", limits(b"1e300"), "customConfiguration.computeResources.limits.cpu"),
    ("a huge integer", limits(b"9" * 5000), "customConfiguration.computeResources.limits"),
    ("an infinite number", limits(b"1e999"), "customConfiguration.computeResources.limits"),
    (
        "a deadline that is no number",
        configured(runtimeEnvironment={"deadlineSeconds": "soon"}),
        "customConfiguration.runtimeEnvironment.deadlineSeconds",
    ),
    (
        "a negative deadline",
        configured(runtimeEnvironment={"deadlineSeconds": -5}),
        "customConfiguration.runtimeEnvironment.deadlineSeconds",
    ),
    (
        "a workgroup that is no name",
        configured(workgroupRef={"name": "../other"}),
        "customConfiguration.workgroupRef.name",
    ),
    (
        "an image with a command in it",
        configured(container={"image": "x; rm -rf /"}),
        "customConfiguration.container.image",
    ),
    (
        "half a parent",
        {**PARAMETERS, "parentRequest": {"requestId": UNKNOWN.request_id}},
        "parentRequest.algorithmName",
    ),
    (
        "a parent that is no run",
        {**PARAMETERS, "parentRequest": {"requestId": "7", "algorithmName": "hello-world"}},
        "parentRequest.requestId",
    ),
]


@pytest.fixture
async def api(world: World) -> AsyncIterator[Client]:
    """A scheduler that takes little."""
    async with unharmed(world) as api:
        yield api


@asynccontextmanager
async def unharmed(world: World, **settings: Any) -> AsyncIterator[Client]:
    """Open a scheduler; see to it that nothing is left of what was sent, and that it serves on."""
    async with world.scheduler(max_payload_size=ByteSize(512 * 1024), **settings) as url:
        yield Client(world.session, url)
        key = await world.run(url)
    # Now that nobody is served any more.
    assert [run.key for run in await world.stores.index.runs(RunFilter(), 2)] == [key]
    payloads = list(world.folder.glob("payloads/algorithm=*/*"))
    assert [payload.name for payload in payloads] == [key.request_id]


@pytest.mark.parametrize(("body", "field"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
async def test_a_bad_request_is_400_and_says_where(api: Client, body: object, field: str) -> None:
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    v1 = await api.post("/algorithm/v1/run/hello-world", data=data)
    assert (v1.status, v1.content_type) == (400, TEXT)
    assert field in v1.text
    latest = await api.post("/algorithm/run/hello-world", data=data)
    assert (latest.status, latest.content_type) == (400, PROBLEM)
    assert latest.fields == [field]
    assert all(len(answer.body) < 1000 for answer in (v1, latest))


async def test_all_fields_that_are_wrong_are_told_at_once(api: Client) -> None:
    body = {"algorithmParameters": 7, "tag": "\n", "requestApiVersion": "x" * 65}
    answer = await api.post("/algorithm/run/hello-world", body)
    assert answer.fields == ["algorithmParameters", "tag", "requestApiVersion"]


async def test_what_does_not_exist_is_refused_by_name(api: Client) -> None:
    expected: list[tuple[str, dict[str, Any], int, str]] = [
        ("unknown", PARAMETERS, 404, "unknown"),
        ("hello-world", configured(workgroupRef={"name": "nowhere"}), 400, "nowhere"),
        # A workgroup that there is, on a cluster that this scheduler does not reach.
        ("hello-world", configured(workgroupRef={"name": "elsewhere"}), 400, "unreached"),
        (
            "hello-world",
            {
                **PARAMETERS,
                "parentRequest": {
                    "requestId": UNKNOWN.request_id,
                    "algorithmName": UNKNOWN.algorithm,
                },
            },
            400,
            UNKNOWN.request_id,
        ),
    ]
    for algorithm, body, status, named in expected:
        v1 = await api.post(f"/algorithm/v1/run/{algorithm}", body)
        assert (v1.status, v1.content_type) == (400, TEXT)
        assert named in v1.text
        latest = await api.post(f"/algorithm/run/{algorithm}", body)
        assert (latest.status, latest.content_type) == (status, PROBLEM)
        assert named in latest.json()["detail"]


@pytest.mark.parametrize("version", ["/v1", ""])
async def test_names_and_ids_that_are_none_lead_nowhere(api: Client, version: str) -> None:
    paths = [
        *(f"/algorithm{version}/results/{name}/requests/{UNKNOWN.request_id}" for name in NO_NAMES),
        *(f"/algorithm{version}/results/hello-world/requests/{no_id}" for no_id in NO_IDS),
        *(f"/algorithm{version}/payload/hello-world/requests/{no_id}" for no_id in NO_IDS),
    ]
    for path in paths:
        # As it stands: clients normalize paths, attackers don't.
        head, _, body = (await api.raw(get(path))).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 "), (path, head)
        assert (TEXT if version else PROBLEM).encode() in head
        assert b"must be" in body
    for name in NO_NAMES:
        request = (
            f"POST /algorithm{version}/run/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f'Content-Length: 27\r\n\r\n{{"algorithmParameters": {{}}}}'
        )
        assert (await api.raw(request.encode())).startswith(b"HTTP/1.1 400 "), name


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()


async def test_paths_that_climb_are_not_found(api: Client) -> None:
    for path in (
        "/algorithm/v1/run/../../../etc/passwd",
        "/algorithm/v1/payload/../../../../etc/passwd",
        "/data/v1/payloads/../../checkpoints.sqlite/requests/x",
        "//etc/passwd",
    ):
        answer = await api.raw(get(path))
        assert answer.split(b" ")[1] in {b"404", b"405"}, (path, answer)


@pytest.mark.parametrize("version", ["/v1", ""])
@pytest.mark.parametrize(
    ("query", "field"),
    [("dryRun=yes", "dryRun"), ("dryRun=", "dryRun"), ("dryRun=TRUE", "dryRun")],
)
async def test_a_dry_run_is_true_or_false(
    api: Client, version: str, query: str, field: str
) -> None:
    answer = await api.post(f"/algorithm{version}/run/hello-world?{query}", PARAMETERS)
    assert answer.status == 400
    assert field in answer.text


@pytest.mark.parametrize(
    "wait", ["30", "soon", "-1s", "5m1s", "", "1e9s", "NaN", "inf", "9" * 5000 + "s"]
)
async def test_a_wait_is_a_duration_of_at_most_five_minutes(api: Client, wait: str) -> None:
    answer = await api.get(f"/algorithm/results/{of(UNKNOWN)}?wait={wait}")
    assert (answer.status, answer.content_type) == (400, PROBLEM)
    assert answer.fields == ["wait"]


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
async def test_an_idempotency_key_is_short_and_printable(api: Client, key: str) -> None:
    answer = await api.post(
        "/algorithm/run/hello-world", PARAMETERS, headers={"Idempotency-Key": key}
    )
    assert (answer.status, answer.content_type) == (400, PROBLEM)
    assert answer.fields == ["Idempotency-Key"]


# A body that is too large, too slow, or not what its head says.


@pytest.mark.parametrize(("version", "status"), [("/v1", b"400"), ("", b"413")])
async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(
    api: Client, version: str, status: bytes
) -> None:
    # Not a byte of it is sent: whoever waited for one would never answer.
    answer = await api.raw(
        f"POST /algorithm{version}/run/hello-world HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {10**12}\r\nConnection: close\r\n\r\n".encode(),
        until=b"larger than 524288 bytes",
    )
    assert answer.split(b" ")[1] == status


@pytest.mark.parametrize(("version", "status"), [("/v1", 400), ("", 413)])
async def test_a_body_that_turns_out_too_large_is_refused(
    api: Client, version: str, status: int
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"algorithmParameters": {"a": "'
        for _ in range(64):
            yield b"x" * 16 * 1024

    answer = await api.post(f"/algorithm{version}/run/hello-world", data=endless())
    assert answer.status == status
    assert "larger than 524288 bytes" in answer.text


@pytest.mark.parametrize(("version", "status"), [("/v1", 400), ("", 413)])
async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(
    api: Client, version: str, status: int
) -> None:
    bomb = gzip.compress(b'{"algorithmParameters": {"a": "%b"}}' % (b"x" * 20_000_000))
    answer = await api.post(
        f"/algorithm{version}/run/hello-world", data=bomb, headers={"Content-Encoding": "gzip"}
    )
    assert len(bomb) < 100_000
    assert answer.status == status
    assert "larger than 524288 bytes" in answer.text


async def test_a_body_that_is_not_compressed_as_it_says_is_400(api: Client) -> None:
    for version, content_type in (("/v1", TEXT), ("", PROBLEM)):
        answer = await api.post(
            f"/algorithm{version}/run/hello-world",
            data=b'{"algorithmParameters": {}}',
            headers={"Content-Encoding": "gzip"},
        )
        assert (answer.status, answer.content_type) == (400, content_type)


NO_HTTP = {
    "no method": b"what? \r\n\r\n",
    "a length that is none": b"POST /algorithm/run/a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "a body that is not compressed as it says": (
        b"POST /algorithm/run/hello-world HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\n"
        b'Content-Length: 27\r\n\r\n{"algorithmParameters": {}}'
    ),
}


@pytest.mark.parametrize("request_", NO_HTTP.values(), ids=NO_HTTP)
async def test_nobody_can_fill_the_log_with_what_is_no_http(
    api: Client, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    answer = await api.raw(request_)
    assert answer.split(b" ")[1] == b"400"
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_a_client_that_sends_too_slowly_is_not_waited_for(world: World) -> None:
    async with unharmed(world, body_timeout=Duration(0.1)) as api:
        for version, status in (("/v1", b"400"), ("", b"408")):
            answer = await api.raw(
                f"POST /algorithm{version}/run/hello-world HTTP/1.1\r\nHost: x\r\n"
                f'Content-Length: 27\r\nConnection: close\r\n\r\n{{"algorithmParameters":'.encode(),
                until=b"did not arrive within 0.1 s",
            )
            assert answer.split(b" ")[1] == status


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(api: Client) -> None:
    for version in ("/v1", ""):
        # What came of it would do for a request, and one byte is to come.
        await api.send_and_leave(
            f"POST /algorithm{version}/run/hello-world HTTP/1.1\r\nHost: x\r\n"
            f'Content-Length: 28\r\n\r\n{{"algorithmParameters": {{}}}}'.encode()
        )


async def test_other_methods_are_405_and_say_which_there_are(api: Client) -> None:
    for method, path, allowed, content_type in (
        ("GET", "/algorithm/v1/run/hello-world", "POST", TEXT),
        ("DELETE", f"/algorithm/v1.2/results/{of(UNKNOWN)}", "GET", TEXT),
        ("DELETE", f"/algorithm/results/{of(UNKNOWN)}", "GET", PROBLEM),
        ("PUT", "/algorithm/runs", "GET", PROBLEM),
        ("POST", f"/data/v1/uploads/{of(UNKNOWN)}", "PUT", PROBLEM),
    ):
        answer = await api.call(method, path, data=b"x")
        assert (answer.status, answer.content_type) == (405, content_type)
        assert answer.headers["Allow"] == allowed
