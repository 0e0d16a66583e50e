"""Jobs, with a server that refuses, is busy, or is cut off in mid-request."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from aiohttp import web

from nexus_core.adapters.kubernetes.cluster import KubernetesCluster
from nexus_core.domain.errors import ConflictError, JobRejectedError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import CancellationPolicy
from support.clock import ManualClock
from support.clusters import a_job, a_manifest, a_run_key
from support.kubernetes import connected
from support.scripted_api_server import (
    Handler,
    ScriptedApiServer,
    a_list,
    a_page,
    a_status,
    hang_up,
    json_answer,
    keep_silent,
    scripted_api_server,
)
from support.waiting import until

NOT_FOUND = json_answer(404, a_status(404, "NotFound", "not found"))
EXISTS = json_answer(409, a_status(409, "AlreadyExists", 'jobs.batch "x" already exists'))


def stored(key: RunKey, uid: str = "uid-1", **metadata: Any) -> dict[str, Any]:
    """Return a Job as a server has it."""
    job = a_job(key)
    job["metadata"] |= {
        "uid": uid,
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        **metadata,
    }
    return job


def the_job(key: RunKey, uid: str = "uid-1", **metadata: Any) -> Handler:
    return json_answer(200, stored(key, uid, **metadata))


@pytest.fixture
async def server() -> AsyncIterator[ScriptedApiServer]:
    async with scripted_api_server() as server:
        yield server


@pytest.fixture
async def cluster(
    server: ScriptedApiServer, clock: ManualClock
) -> AsyncIterator[KubernetesCluster]:
    async with connected(server.url, clock, patience=1) as connection:
        yield KubernetesCluster("eu", connection, clock, namespace="runs")


def asked(server: ScriptedApiServer) -> list[str]:
    return [request.method for request in server.requests]


async def test_the_manifest_goes_out_as_it_is(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    key = a_run_key()
    manifest = a_manifest(key)
    seen = []

    async def create(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, request.content_type, await request.read()))
        return web.json_response(stored(key), status=201)

    server.answers(create)

    handle = await cluster.create_job(key, manifest)

    assert (handle.uid, handle.created) == ("uid-1", True)
    assert seen == [("/apis/batch/v1/namespaces/runs/jobs", "application/json", manifest)]


async def test_a_job_that_is_there_and_is_this_runs_is_success(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    key = a_run_key()
    server.answers(EXISTS, the_job(key))
    handle = await cluster.create_job(key, a_manifest(key))
    assert (handle.uid, handle.created) == ("uid-1", False)


@pytest.mark.parametrize(
    "labels",
    [{}, {"app": "else"}, {**a_job(a_run_key("another"))["metadata"]["labels"]}],
    ids=["no labels", "other labels", "another algorithm"],
)
async def test_a_job_that_is_there_and_is_not_this_runs_is_a_conflict(
    server: ScriptedApiServer, cluster: KubernetesCluster, labels: dict[str, str]
) -> None:
    key = a_run_key()
    server.answers(EXISTS, the_job(key, labels=labels))
    with pytest.raises(ConflictError, match=key.request_id):
        await cluster.create_job(key, a_manifest(key))


@pytest.mark.parametrize("gone", [True, False], ids=["gone", "going"])
async def test_a_job_that_was_there_and_is_just_being_deleted_is_tried_again(
    server: ScriptedApiServer, cluster: KubernetesCluster, *, gone: bool
) -> None:
    key = a_run_key()
    going = the_job(key, deletionTimestamp="2026-01-01T00:00:00Z")
    server.answers(EXISTS, NOT_FOUND if gone else going)
    with pytest.raises(UnavailableError, match="just being deleted"):
        await cluster.create_job(key, a_manifest(key))


@pytest.mark.parametrize(
    "status",
    [
        a_status(400, "BadRequest", "json: cannot unmarshal"),
        a_status(422, "Invalid", 'Job.batch "x" is invalid: spec.template: Required value'),
        a_status(413, "RequestEntityTooLarge", "limit is 3145728"),
        a_status(403, "Forbidden", 'admission webhook "policy.test" denied the request: no root'),
        a_status(403, "Forbidden", 'jobs.batch "x" is forbidden: failed quota: must specify cpu'),
    ],
    ids=["malformed", "invalid", "too large", "webhook", "quota without requests"],
)
async def test_a_manifest_that_is_refused_for_good_is_rejected_in_the_servers_words(
    server: ScriptedApiServer, cluster: KubernetesCluster, status: dict[str, Any]
) -> None:
    key = a_run_key()
    server.answers(json_answer(status["code"], status))
    with pytest.raises(JobRejectedError) as told:
        await cluster.create_job(key, a_manifest(key))
    assert str(told.value) == status["message"]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(403, a_status(403, "Forbidden", 'User "me" cannot create resource "jobs"')),
        json_answer(403, a_status(403, "Forbidden", "exceeded quota: q, requested: count/jobs=1")),
        json_answer(
            403,
            a_status(
                403,
                "Forbidden",
                "unable to create new content in namespace runs",
                causes=[{"reason": "NamespaceTerminating", "message": ""}],
            ),
        ),
        json_answer(404, a_status(404, "NotFound", 'namespaces "runs" not found')),
        json_answer(409, a_status(409, "Conflict", "Operation cannot be fulfilled on quota q")),
        json_answer(429, a_status(429, "TooManyRequests", "too many requests")),
        a_page(400),
        a_page(403),
    ],
    ids=[
        "no rights",
        "quota exceeded",
        "namespace ends",
        "no namespace",
        "quota conflict",
        "too many requests",
        "page of a proxy",
        "page of a login",
    ],
)
async def test_what_is_no_fault_of_the_run_fails_no_run(
    server: ScriptedApiServer, cluster: KubernetesCluster, answer: Handler
) -> None:
    key = a_run_key()
    server.answers(answer)
    with pytest.raises(UnavailableError) as told:
        await cluster.create_job(key, a_manifest(key))
    assert "\n" not in str(told.value)
    assert asked(server) == ["POST"]


LOST: dict[str, Callable[[], Handler]] = {
    "silence": lambda: keep_silent,
    "hang-up": lambda: hang_up,
    "page of a proxy": lambda: a_page(502),
    "timeout of etcd": lambda: json_answer(500, a_status(500, "InternalError", "etcd timed out")),
    "overload": lambda: json_answer(503, a_status(503, "ServiceUnavailable", "no")),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_creation_whose_answer_is_lost_is_looked_up_and_found(
    server: ScriptedApiServer, cluster: KubernetesCluster, fault: Callable[[], Handler]
) -> None:
    key = a_run_key()
    server.answers(fault(), the_job(key))
    assert (await cluster.create_job(key, a_manifest(key))).uid == "uid-1"
    assert asked(server) == ["POST", "GET"]


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
@pytest.mark.parametrize("look", [NOT_FOUND, a_page(502)], ids=["not found", "nor that"])
async def test_a_creation_whose_answer_is_lost_and_that_made_no_job_is_tried_again(
    server: ScriptedApiServer,
    cluster: KubernetesCluster,
    fault: Callable[[], Handler],
    look: Handler,
) -> None:
    key = a_run_key()
    server.answers(fault(), look)
    with pytest.raises(UnavailableError):
        await cluster.create_job(key, a_manifest(key))


@pytest.mark.parametrize("status", [429, 503])
async def test_the_wish_of_a_busy_server_is_handed_on(
    server: ScriptedApiServer, cluster: KubernetesCluster, clock: ManualClock, status: int
) -> None:
    key = a_run_key()
    later = format_datetime((clock.now() + timedelta(seconds=20)).astimezone(UTC), usegmt=True)
    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    body = a_status(status, "Busy", retryAfterSeconds=5)
    wishes = []
    for header in ({"Retry_After": "7"}, {"Retry_After": later}, {"Retry_After": past}, {}):
        server._others.clear()
        server.answers(json_answer(status, body, **header), NOT_FOUND)
        with pytest.raises(UnavailableError) as told:
            await cluster.create_job(key, a_manifest(key))
        wishes.append(told.value.retry_after)
    assert wishes == [7, 20, 0, 5]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("86400", 0), ("Fri, 31 Dec 2100 00:00:00 GMT", 0), ("", 10**9)],
    ids=["seconds", "a date", "in the body"],
)
async def test_a_gateway_that_says_tomorrow_is_asked_again_within_a_minute(
    server: ScriptedApiServer, cluster: KubernetesCluster, header: str, seconds: int
) -> None:
    key = a_run_key()
    body = a_status(503, "Maintenance", retryAfterSeconds=seconds)
    server.answers(json_answer(503, body, Retry_After=header), NOT_FOUND)
    with pytest.raises(UnavailableError) as told:
        await cluster.create_job(key, a_manifest(key))
    assert told.value.retry_after == 60


async def test_a_cancelled_creation_is_cancelled(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    key = a_run_key()
    server.answers(keep_silent)
    creating = asyncio.create_task(cluster.create_job(key, a_manifest(key)))
    await until(lambda: server.requests)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating


async def test_a_deletion_names_the_job_that_is_meant(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    key, bodies = a_run_key(), []

    async def delete(request: web.Request) -> web.StreamResponse:
        bodies.append(await request.json())
        return web.json_response({"kind": "Status", "status": "Success"})

    server.answers(the_job(key), delete)
    assert await cluster.delete_job(key)
    (options,) = bodies
    assert options["propagationPolicy"] == "Background"
    assert options["preconditions"] == {"uid": "uid-1"}


@pytest.mark.parametrize(
    "answer",
    [NOT_FOUND, json_answer(409, a_status(409, "Conflict", "the UID in the precondition"))],
    ids=["gone meanwhile", "another one by now"],
)
async def test_a_job_that_went_meanwhile_was_not_deleted_by_us(
    server: ScriptedApiServer, cluster: KubernetesCluster, answer: Handler
) -> None:
    key = a_run_key()
    server.answers(the_job(key), answer)
    assert not await cluster.delete_job(key)


async def test_a_deletion_in_the_foreground_gives_up_on_pods_that_do_not_end(
    server: ScriptedApiServer, cluster: KubernetesCluster, clock: ManualClock
) -> None:
    key = a_run_key()
    going = the_job(key, deletionTimestamp="2026-01-01T00:00:00Z")
    server.answers(the_job(key), json_answer(200, {}), going)
    deleting = asyncio.create_task(cluster.delete_job(key, CancellationPolicy.FOREGROUND))
    while not deleting.done():
        await until(lambda: clock.sleepers or deleting.done())
        await clock.advance(1)
    with pytest.raises(UnavailableError, match="its pods have not ended yet"):
        await deleting
    assert clock.monotonic() >= 45


async def test_children_of_a_job_that_goes_alone_are_let_go_first(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    parent, child, stranger = (a_run_key() for _ in range(3))
    owner = {"kind": "Job", "name": parent.request_id, "uid": "uid-1"}
    other = {"kind": "Job", "name": "other", "uid": "uid-9"}
    owned = stored(child, "uid-2", ownerReferences=[owner, other])
    patches = []

    async def patch(request: web.Request) -> web.StreamResponse:
        patches.append((request.path.rpartition("/")[2], await request.json()))
        return web.json_response({})

    server.answers(
        the_job(parent),
        a_list(owned, stored(stranger, "uid-3"), version=9),
        json_answer(200, owned),
        patch,
        json_answer(200, {}),
    )
    assert await cluster.delete_job(parent, CancellationPolicy.ORPHAN)

    changed = {"metadata": {"ownerReferences": [other], "resourceVersion": "7"}}
    assert patches == [(child.request_id, changed)]
    assert asked(server) == ["GET", "GET", "GET", "PATCH", "DELETE"]


@pytest.mark.parametrize(("conflicts", "deleted"), [(1, True), (4, True), (5, False)])
async def test_a_child_that_changes_while_it_is_let_go_is_read_again(
    server: ScriptedApiServer, cluster: KubernetesCluster, *, conflicts: int, deleted: bool
) -> None:
    parent, child = a_run_key(), a_run_key()
    owner = {"kind": "Job", "name": parent.request_id, "uid": "uid-1"}
    read = json_answer(200, stored(child, "uid-2", ownerReferences=[owner]))
    modified = json_answer(409, a_status(409, "Conflict", "the object has been modified"))
    ok = json_answer(200, {})
    owned = stored(child, "uid-2", ownerReferences=[owner])
    server.answers(the_job(parent), a_list(owned, version=9), *[read, modified] * conflicts)
    server.answers(*[read, ok, ok] if deleted else [ok])

    if deleted:
        assert await cluster.delete_job(parent, CancellationPolicy.ORPHAN)
    else:
        with pytest.raises(UnavailableError, match="the object has been modified"):
            await cluster.delete_job(parent, CancellationPolicy.ORPHAN)

    assert ("DELETE" in asked(server)) is deleted


async def test_children_that_can_not_be_let_go_keep_their_parent(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    parent, child = a_run_key(), a_run_key()
    owner = {"kind": "Job", "name": parent.request_id, "uid": "uid-1"}
    owned = stored(child, "uid-2", ownerReferences=[owner])
    forbidden = json_answer(403, a_status(403, "Forbidden", 'User "me" cannot patch'))
    server.answers(the_job(parent), a_list(owned, version=9), json_answer(200, owned), forbidden)
    with pytest.raises(UnavailableError, match="can't patch Jobs, to keep the children"):
        await cluster.delete_job(parent, CancellationPolicy.ORPHAN)
    assert "DELETE" not in asked(server)


async def test_jobs_come_in_pages_with_their_pods(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    first, second = a_run_key(), a_run_key()
    server.lists(
        a_list(stored(first), version=1, token="more"),
        a_list(stored(second), version=1),
        a_list(version=1),
    )
    assert [status.key async for status in cluster.jobs()] == [first, second]
    assert [request.query.get("continue") for request in server.requests] == [None, "more", None]
    assert {request.query["labelSelector"] for request in server.requests} == {
        "science.sneaksanddata.com/nexus-component=algorithm-run"
    }


async def test_a_server_that_has_no_rights_for_us_says_so_when_asked(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    server.answers(json_answer(403, a_status(403, "Forbidden", 'User "me" cannot list jobs')))
    with pytest.raises(UnavailableError) as told:
        await cluster.ping()
    assert str(told.value) == (
        'kubeconfig /etc/shards/here.kubeconfig: can\'t list Jobs: User "me" cannot list jobs'
    )


async def test_no_answer_of_an_api_server_is_no_answer(
    server: ScriptedApiServer, cluster: KubernetesCluster
) -> None:
    server.answers(a_page(200))
    with pytest.raises(UnavailableError, match="no answer of an API server"):
        await cluster.find_job(a_run_key())
