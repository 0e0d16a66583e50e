"""What becomes of a Job that was stored, when it is sent later."""

from typing import Any

import msgspec
import pytest

from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.job_manifest import RunUrls, build_job, encode_job
from nexus_core.domain.stored_jobs import renew_urls, without_owner
from nexus_core.domain.template import RuntimeEnvironment
from support.jobs import URLS, a_job_order
from support.runs import a_template_spec

RENEWED = RunUrls(
    payload="https://nexus.test/new?sig=x&from=3",
    result_upload="https://nexus.test/upload?sig=y&from=3",
    receiver="https://elsewhere.test",
    scheduler="https://elsewhere.test",
)


def test_renewed_urls_stand_where_the_old_ones_stood() -> None:
    variables: list[dict[str, Any]] = [
        {"name": "NEXUS__RECEIVER_URL", "value": "http://inside.svc"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "tokens", "key": "main"}}},
    ]
    spec = a_template_spec(
        runtime_environment=RuntimeEnvironment(environment_variables=variables),
        args=["--sas-uri=%s", "--request-id=%s"],
    )
    order = a_job_order(spec=spec)
    renewed = renew_urls(encode_job(build_job(order)), URLS.payload, RENEWED)
    wanted = RunUrls(
        payload=RENEWED.payload,
        result_upload=RENEWED.result_upload,
        receiver=URLS.receiver,
        scheduler=URLS.scheduler,
    )
    assert renewed == encode_job(build_job(msgspec.structs.replace(order, urls=wanted)))


# The shape in which the Go implementation stores a Job: nulls, empty parts, escaped ampersands.
GO_JOB = rb"""
{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"0192e4a0-0000-7000-8000-000000000001",
"creationTimestamp":null},"spec":{"activeDeadlineSeconds":3600,"template":{"metadata":{
"creationTimestamp":null},"spec":{"containers":[{"name":"0192e4a0-0000-7000-8000-000000000001",
"args":["--sas-uri=https://bucket.test/p?X-Amz-Date=1\u0026X-Amz-Signature=2","--verbose"],
"env":[{"name":"NEXUS__SHARD_NAME","value":"shard-0"}],"resources":{}}]}}},"status":{}}
"""


def test_urls_in_a_job_of_the_go_implementation_are_renewed() -> None:
    old = "https://bucket.test/p?X-Amz-Date=1&X-Amz-Signature=2"
    renewed = msgspec.json.decode(renew_urls(GO_JOB, old, RENEWED))
    expected = msgspec.json.decode(GO_JOB)
    expected["spec"]["template"]["spec"]["containers"][0]["args"][0] = (
        f"--sas-uri={RENEWED.payload}"
    )
    assert renewed == expected


def test_a_job_with_null_arguments_and_variables_is_left_alone() -> None:
    bare = b'{"spec":{"template":{"spec":{"containers":[{"args":null,"env":null}]}}}}'
    renewed = msgspec.json.decode(renew_urls(bare, "https://old.test", RENEWED))
    assert renewed["spec"]["template"]["spec"]["containers"][0]["env"] is None


@pytest.mark.parametrize(
    "manifest", [b"", b"{", b"[]", b"{}", b"null", b'{"spec":{"template":[]}}']
)
def test_a_manifest_that_is_no_job_is_refused(manifest: bytes) -> None:
    with pytest.raises(InvalidInputError):
        renew_urls(manifest, "https://old.test", RENEWED)


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"{}", b"null", b'{"metadata":[]}'])
def test_a_manifest_that_is_no_job_has_no_owner_to_forget(manifest: bytes) -> None:
    with pytest.raises(InvalidInputError):
        without_owner(manifest)
