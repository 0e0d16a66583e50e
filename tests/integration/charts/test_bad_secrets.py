"""Secrets that are there, and have not in them what they should: the pod names what it lacks.

One that is not there is Kubernetes' own affair: no pod is started, and `kubectl describe` says
which secret, or which of its keys, until it is made.
"""

from typing import NamedTuple

import pytest

from support.watched_nexus import RECEIVER, SCHEDULER, WatchedNexus

pytestmark = [
    pytest.mark.integration,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("bad days of charts"),
    pytest.mark.timeout(300),
]


class BadSecret(NamedTuple):
    """A secret that is there, and has not in it what it should."""

    pod: str
    secret: str
    changes: dict[str, str | None]
    ends: bool
    """Whether the pod can't start by it: its kubelet starts it again and again."""
    words: list[str]


def store(**changes: str | None) -> tuple[str, str, dict[str, str | None]]:
    return RECEIVER, "cassandra", changes


def files(**changes: str | None) -> tuple[str, str, dict[str, str | None]]:
    return RECEIVER, "cassandra-tls", changes


def bucket(**changes: str | None) -> tuple[str, str, dict[str, str | None]]:
    return SCHEDULER, "s3", changes


BAD_SECRETS = {
    "no password": BadSecret(*store(password=""), False, ["refuses to let user", "wrong password"]),
    "no user": BadSecret(
        *store(user="", password=""), False, ["refuses to let anybody without a user in"]
    ),
    "wrong key of S3": BadSecret(
        *bucket(secret_access_key="wrong"),
        False,
        ["the secret does not belong to the access key", "NEXUS__S3_BUFFER__SECRET_ACCESS_KEY"],
    ),
    "no key of S3": BadSecret(
        *bucket(access_key_id="", secret_access_key=""),
        False,
        ["no credentials", "NEXUS__S3_BUFFER__ACCESS_KEY_ID"],
    ),
    "half a key of S3": BadSecret(
        *bucket(secret_access_key=""),
        True,
        ["error: s3-buffer.secret-access-key (NEXUS__S3_BUFFER__SECRET_ACCESS_KEY): must be set"],
    ),
    "no authority": BadSecret(
        *files(ca_crt=None),
        True,
        ["error: scylla-cql-store.ca-path", "can't be read: No such file"],
    ),
    "an authority that is none": BadSecret(
        *files(ca_crt="?"), True, ["error: scylla-cql-store.ca-path", "holds no certificate in PEM"]
    ),
    "a certificate without its key": BadSecret(
        *files(tls_key=""), True, ["error: scylla-cql-store.certificate-path", "tls.key"]
    ),
}


@pytest.mark.parametrize("bad", BAD_SECRETS.values(), ids=BAD_SECRETS)
async def test_a_secret_that_has_not_what_it_should_is_named_until_it_has(
    prepared: WatchedNexus, bad: BadSecret
) -> None:
    before = await prepared.change_secret(bad.secret, **bad.changes)
    pod = await prepared.begin_one(bad.pod)
    if bad.ends:
        assert await pod.ends() == 2
        (line,) = pod.lines("error: ")
        assert not [word for word in bad.words if word not in line]
    else:
        part = "payload-store" if bad.secret == "s3" else "checkpoint-store"
        await prepared.say(pod, {part: bad.words})
        assert await pod.stop() == 0
    empty = sum(text == "" for text in bad.changes.values() if bad.secret != "cassandra-tls")
    assert len(pod.lines("secret is empty")) == min(1, empty)

    # What is a variable, or was there when it started, is read by the pod that comes next.
    await prepared.put_secret(before)
    pod = await prepared.begin_one(bad.pod)
    await prepared.say(pod, {})
    assert await pod.stop() == 0


async def test_a_key_that_may_be_missing_is_told_when_it_is_empty(
    prepared: WatchedNexus,
) -> None:
    before = await prepared.change_secret("nexus-keys", callback_secret="")
    pod = await prepared.begin_one(RECEIVER)
    await prepared.say(pod, {})
    (line,) = pod.lines("secret is empty")
    assert "NEXUS__CALLBACK__SECRET" in line
    assert pod.lines("call backs are off, who waits for a result asks the store")
    assert await pod.stop() == 0
    await prepared.put_secret(before)
