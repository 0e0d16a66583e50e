"""Writes what a catalogue says of its resources into their status."""

import asyncio
import random
from collections.abc import Callable, Iterable

import msgspec
import structlog

from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.conditions import patch, says_already
from nexus_core.adapters.kubernetes.connection import MERGE_PATCH, Connection
from nexus_core.adapters.kubernetes.custom_resources import CustomResource, collection
from nexus_core.adapters.kubernetes.held_resources import ResourceKey, Verdict
from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

Look = Callable[[ResourceKey], tuple[CustomResource, Verdict] | None]
"""Returns a resource as it is now, and what there is to say of it; None when it is gone."""

# A template and its workgroup are often applied in one go, and the second makes the first one's
# verdict another one. At random up to twice as long, so that of several schedulers mostly one
# writes, and the others find it written.
_SETTLE_SECONDS = 0.5
_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0

_CONFLICT = 409
_NOT_FOUND = 404
_TOO_MANY_REQUESTS = 429


class _Said(msgspec.Struct, frozen=True):
    """What was written, or found written, and of which version."""

    uid: str
    generation: int
    verdict: Verdict


class ConditionWriter:
    """Brings conditions into line with verdicts, each only once.

    Several schedulers write the same, as they find the same. Where they don't (one reaches another
    cluster), each says so once and again only when its verdict or the resource changes: the last
    word stays, and nobody fights for it.
    """

    def __init__(self, connection: Connection, namespace: str, clock: Clock, look: Look) -> None:
        self._connection = connection
        self._namespace = namespace
        self._clock = clock
        self._look = look
        self._rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._due: set[ResourceKey] = set()
        self._wake = asyncio.Event()
        self._said: dict[ResourceKey, _Said] = {}
        self._refused: set[ResourceKey] = set()
        self._told: set[str] = set()

    def consider(self, keys: Iterable[ResourceKey]) -> None:
        """See to the conditions of these resources, soon."""
        self._due.update(keys)
        if self._due:
            self._wake.set()

    def try_refused_again(self) -> None:
        """See once more to those that the server did not let us write: rights may have come."""
        for key in self._refused:
            self._said.pop(key, None)
        self.consider(self._refused)
        self._refused = set()

    async def run(self) -> None:
        """Write until cancelled. Failures are tried again, what is forbidden is logged once."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _LONGEST_RETRY_SECONDS, self._rng)
        while True:
            await self._wake.wait()
            await self._clock.sleep(_SETTLE_SECONDS * (1 + self._rng.random()))
            self._wake.clear()
            due, self._due = sorted(self._due, reverse=True), set()
            try:
                while due:
                    await self._see_to(due[-1])
                    due.pop()
                backoff.reset()
            except UnavailableError as error:
                self.consider(due)
                log.debug("conditions not written yet", error=str(error))
                await self._clock.sleep(max(backoff.next(), error.retry_after or 0.0))

    async def _see_to(self, key: ResourceKey) -> None:
        looked = self._look(key)
        if looked is None:
            self._said.pop(key, None)
            self._refused.discard(key)
            return
        resource, verdict = looked
        said = _Said(resource.metadata.uid, resource.metadata.generation, verdict)
        if self._said.get(key) == said:
            return
        if says_already(resource, verdict) or await self._write(key, resource, verdict):
            self._said[key] = said

    async def _write(self, key: ResourceKey, resource: CustomResource, verdict: Verdict) -> bool:
        """Write a condition; False when there is a newer version, which the watch will tell of."""
        kind, name = key
        answer = await self._connection.request(
            "PATCH",
            f"{collection(self._namespace, kind)}/{name}/status",
            body=patch(resource, verdict, self._clock.now()),
            content_type=MERGE_PATCH,
        )
        if answer.is_failure or answer.status == _TOO_MANY_REQUESTS:
            raise UnavailableError(answer.refusal().message, answer.retry_after(self._clock.now()))
        if answer.status == _CONFLICT or _is_gone(answer):
            return False
        if answer.ok:
            self._told.discard(kind)
        else:
            self._refused.add(key)
            self._tell(kind, name, answer)
        return True

    def _tell(self, kind: str, name: str, answer: Answer) -> None:
        # Rights are given by kind, so the first refusal speaks for all.
        if kind not in self._told:
            message = answer.refusal().message
            log.warning("condition not written", kind=kind, name=name, error=message)
        self._told.add(kind)


def _is_gone(answer: Answer) -> bool:
    """Tell a resource that is gone from a definition that has no status to write."""
    details = answer.refusal().details if answer.status == _NOT_FOUND else None
    return details is not None and details.name != ""
