"""Which rights an account has, as the API server tells itself: any account may ask for its own."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import msgspec

from nexus_core.adapters.kubernetes.connection import Connection
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.template import API_GROUP

_REVIEWS = "/apis/authorization.k8s.io/v1"


class Right(NamedTuple):
    """To do something to the objects of one kind."""

    verb: str
    resource: str
    group: str = ""

    @property
    def kind(self) -> str:
        """What definitions call the kind, such as `jobs.batch`."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


# What can be left out on purpose is not here: to read logs, and to write conditions.
LAUNCHING = (
    *(Right(verb, "jobs", "batch") for verb in ("create", "get", "list", "delete", "patch")),
    Right("list", "pods"),
)
"""Those of a scheduler, where runs are."""
FOLLOWING = (
    *LAUNCHING,
    Right("watch", "jobs", "batch"),
    *(Right(verb, kind) for kind in ("pods", "events") for verb in ("list", "watch")),
)
"""Those of a supervisor."""
READING = tuple(
    Right(verb, f"nexusalgorithm{kind}", API_GROUP)
    for kind in ("templates", "workgroups")
    for verb in ("list", "watch")
)
"""Those of a scheduler, where templates are."""


async def what_lacks(connection: Connection, namespace: str, needed: Collection[Right]) -> str:
    """Return, in one line, which rights an account lacks in a namespace; empty: none.

    Raises:
        UnavailableError: the API server does not say.
    """
    lacking = await _lacking(connection, namespace, needed)
    if not lacking:
        return ""
    verbs: dict[str, list[str]] = {}
    for right in lacking:
        verbs.setdefault(right.kind, []).append(right.verb)
    listed = " and ".join(f"{', '.join(some)} {kind}" for kind, some in verbs.items())
    return (
        f"{connection.origin}: may not {listed} in namespace '{namespace}'; "
        "give the account what deploy/rbac has"
    )


async def _lacking(
    connection: Connection, namespace: str, needed: Collection[Right]
) -> Sequence[Right]:
    """Ask for all rules at once; some authorizers can't list theirs, and are asked one by one."""
    rules = (await _review(connection, "selfsubjectrulesreviews", {"namespace": namespace})).rules
    unlisted = [right for right in dict.fromkeys(needed) if not _grants(rules, right)]
    return [right for right in unlisted if not await _may(connection, namespace, right)]


async def _may(connection: Connection, namespace: str, right: Right) -> bool:
    attributes = {
        "namespace": namespace,
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
    }
    spec = {"resourceAttributes": attributes}
    return (await _review(connection, "selfsubjectaccessreviews", spec)).allowed


class _Rule(msgspec.Struct, frozen=True, rename="camel"):
    verbs: list[str] | None = None
    api_groups: list[str] | None = None
    resources: list[str] | None = None
    resource_names: list[str] | None = None


class _Status(msgspec.Struct, frozen=True):
    allowed: bool = False
    """Of a review of one right."""
    rules: list[_Rule] = msgspec.field(default_factory=list, name="resourceRules")
    """Of a review of all."""


class _Review(msgspec.Struct, frozen=True):
    status: _Status


_reviews = msgspec.json.Decoder(_Review)


async def _review(connection: Connection, kind: str, spec: Mapping[str, object]) -> _Status:
    body = msgspec.json.encode({"spec": spec})
    answer = await connection.request("POST", f"{_REVIEWS}/{kind}", body=body)
    if not answer.ok:
        raise UnavailableError(f"{connection.origin}: {answer.refusal().message}")
    try:
        return _reviews.decode(answer.body).status
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnavailableError(f"{connection.origin}: no API server answers so: {error}") from error


def _grants(rules: Collection[_Rule], right: Right) -> bool:
    return any(
        not rule.resource_names
        and _has(rule.verbs, right.verb)
        and _has(rule.api_groups, right.group)
        and _has(rule.resources, right.resource)
        for rule in rules
    )


def _has(listed: list[str] | None, one: str) -> bool:
    return listed is not None and (one in listed or "*" in listed)
