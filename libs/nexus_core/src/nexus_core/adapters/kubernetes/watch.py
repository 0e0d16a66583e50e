"""The one way to follow objects of an API server: list, stream, list again.

Watches are cut, go silent, forget where they were and answer pages of proxies. Whoever follows by
`Watch` sees none of it, but a while in which nothing is told, and then what has changed meanwhile.
"""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Generic, TypeVar

import msgspec
import structlog

from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.connection import Connection, Stream
from nexus_core.adapters.kubernetes.objects import KubernetesObject, ObjectMeta, ObjectName
from nexus_core.adapters.kubernetes.watch_messages import (
    EVENTS,
    HEADS,
    PAGES,
    STATUSES,
    Interruption,
    Page,
    decoded,
)
from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock
from nexus_core.telemetry.news import News

log = structlog.get_logger()

T = TypeVar("T", bound=KubernetesObject)
T_co = TypeVar("T_co", covariant=True)

_OK = 200
_GONE = 410


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often a watch does what, in seconds; what is usual for informers."""

    shortest_stream: float = 240.0
    """The server is asked to end a stream after this long, and up to a quarter longer: with the
    jitter, many watches that began together don't come back together."""
    patience: float = 15.0
    """How much longer than that silence is borne. Servers send a bookmark about once a minute."""
    relist_after: float = 600.0
    """All is listed again after this long, though nothing seems amiss: for what a server forgot."""
    first_pause: float = 0.5
    """After a failure; doubles with each further one, and is shortened at random."""
    longest_pause: float = 30.0
    healthy_after: float = 5.0
    """A stream that lasted this long was none of the failures in a row."""
    page: int = 500
    """Objects listed at once."""


class Applied(msgspec.Struct, Generic[T_co], frozen=True):
    """An object is there: found by listing, new, or changed."""

    object: T_co


class Deleted(msgspec.Struct, frozen=True):
    """An object that was told of is no longer there."""

    name: ObjectName


class Listed(msgspec.Struct, frozen=True):
    """All that is there has been told of. Comes after each listing, so again and again."""


Happening = Applied[T] | Deleted | Listed


class Watch(Generic[T]):
    """Follows the objects of one kind, for one follower at a time.

    The objects themselves are not kept, only their names and versions: whoever needs them does.
    """

    def __init__(
        self,
        connection: Connection,
        path: str,
        kind: type[T],
        clock: Clock,
        *,
        selectors: Mapping[str, str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Prepare to follow; nothing is sent before `follow`.

        Args:
            connection: to the API server.
            path: of the collection, such as `/apis/batch/v1/namespaces/nexus/jobs`.
            kind: what its objects are decoded to. One that can't be is logged and left out.
            clock: for pauses and ages.
            selectors: `labelSelector` and `fieldSelector`, where not all objects count.
            pace: how often to do what.
        """
        self._connection = connection
        self._path = path
        self._name = f"{connection.origin}: watch of {path}"
        self._selectors = dict(selectors or {})
        self._clock = clock
        self._pace = pace or Pace()
        self._object = msgspec.json.Decoder(kind)
        self._rng = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._known: dict[ObjectName, str] = {}
        self._version = ""
        self._listed_at = 0.0
        self._heard_at: float | None = None
        self._trouble = ""
        self._news = News(clock)

    @property
    def trouble(self) -> str:
        """Why nothing is heard now, in one line; empty while all is well."""
        return self._trouble

    @property
    def age(self) -> float | None:
        """Seconds since anything was heard, if only that nothing happens; None: never yet."""
        return None if self._heard_at is None else self._clock.monotonic() - self._heard_at

    async def follow(self) -> AsyncGenerator[Happening[T], None]:
        """Tell what is there, then what happens to it, until closed.

        First comes every object that is there, then `Listed`, then changes as they happen. After a
        gap only what is different is told, deletions included, and `Listed` again. Never ends and
        never raises by itself: failures are logged, shown as `trouble`, and tried again.
        """
        backoff = Backoff(self._pace.first_pause, self._pace.longest_pause, self._rng)
        while True:
            began = self._clock.monotonic()
            failure: Interruption | None = None
            try:
                async with aclosing(self._round()) as happenings:
                    async for happening in happenings:
                        yield happening
            except Interruption as error:
                failure = error
            except UnavailableError as error:
                failure = Interruption(str(error), retry_after=error.retry_after)
            if self._clock.monotonic() - began >= self._pace.healthy_after:
                backoff.reset()
                if failure is None:
                    continue
            await self._pause(
                failure or Interruption(f"{self._name} ended at once"), backoff.next()
            )

    async def _round(self) -> AsyncGenerator[Happening[T], None]:
        """List where that is due, and stream until that ends."""
        if not self._version or self._is_relist_due():
            async with aclosing(self._list()) as listing:
                async for happening in listing:
                    yield happening
        async with aclosing(self._stream()) as stream:
            async for happening in stream:
                yield happening

    async def _pause(self, failure: Interruption, delay: float) -> None:
        """Say what is amiss, and wait."""
        if failure.forgotten:
            self._version = ""
        delay = max(delay, failure.retry_after or 0.0)
        if failure.forgotten:
            # The ordinary end of a stream on which little happened: nothing is amiss.
            log.debug("watch starts anew", path=self._path, reason=str(failure))
        else:
            self._trouble = str(failure)
            if self._news.is_new(self._trouble):
                log.warning("watch broke", path=self._path, error=self._trouble, retry_in=delay)
        await self._clock.sleep(delay)

    async def _list(self) -> AsyncGenerator[Happening[T], None]:
        """Tell what is there and was not told of, and what of it is gone."""
        seen: set[ObjectName] = set()
        token = ""
        while True:
            page = await self._page(token)
            for raw in page.items or ():
                metadata = self._metadata(raw)
                name = ObjectName.of(metadata)
                seen.add(name)
                if self._known.get(name) == metadata.resource_version:
                    continue
                self._known[name] = metadata.resource_version
                if (found := self._decoded(raw, name)) is not None:
                    yield Applied(found)
            token = page.metadata.continue_
            if not token:
                break
        for name in self._known.keys() - seen:
            del self._known[name]
            yield Deleted(name)
        self._version = page.metadata.resource_version
        self._listed_at = self._clock.monotonic()
        yield Listed()

    async def _page(self, token: str) -> Page:
        params = {**self._selectors, "limit": str(self._pace.page)}
        if token:
            params["continue"] = token
        answer = await self._connection.request("GET", self._path, params=params)
        if answer.status != _OK:
            raise self._refused(answer)
        page = decoded(PAGES, answer.body, self._name)
        self._heard()
        return page

    async def _stream(self) -> AsyncGenerator[Happening[T], None]:
        """Tell what happens from the version on, until the server ends the stream."""
        seconds = self._pace.shortest_stream * (1 + self._rng.random() / 4)
        params = {
            **self._selectors,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        silence = seconds + self._pace.patience
        async with self._connection.stream(self._path, params, silence) as stream:
            await self._check(stream)
            async with aclosing(stream.lines()) as lines:
                async for line in lines:
                    happening = self._read(line)
                    if happening is not None:
                        yield happening
                    if self._is_relist_due():
                        return

    async def _check(self, stream: Stream) -> None:
        if stream.status != _OK:
            raise self._refused(await stream.whole())
        self._trouble = ""

    def _read(self, line: bytes) -> Happening[T] | None:
        """Return what a line of the stream tells; None for nothing."""
        event = decoded(EVENTS, line, self._name)
        if event.type == "ERROR":
            status = decoded(STATUSES, event.object, self._name)
            raise Interruption(
                f"{self._name}: {status.message or status.reason}",
                forgotten=status.code == _GONE or status.reason in {"Expired", "Gone"},
            )
        metadata = self._metadata(event.object)
        self._heard()
        self._version = metadata.resource_version or self._version
        name = ObjectName.of(metadata)
        match event.type:
            case "ADDED" | "MODIFIED":
                self._known[name] = metadata.resource_version
                found = self._decoded(event.object, name)
                return None if found is None else Applied(found)
            case "DELETED":
                return None if self._known.pop(name, None) is None else Deleted(name)
            case _:  # BOOKMARK: nothing happened up to here
                return None

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()
        self._trouble = ""
        self._news.is_over()

    def _is_relist_due(self) -> bool:
        return self._clock.monotonic() - self._listed_at >= self._pace.relist_after

    def _decoded(self, raw: msgspec.Raw, name: ObjectName) -> T | None:
        try:
            return self._object.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("object not understood", path=self._path, name=name.name, error=str(error))
            return None

    def _metadata(self, raw: msgspec.Raw) -> ObjectMeta:
        return decoded(HEADS, raw, self._name).metadata

    def _refused(self, answer: Answer) -> Interruption:
        return Interruption(
            f"{self._name}: {answer.refusal().message}",
            forgotten=answer.status == _GONE,
            retry_after=answer.retry_after(self._clock.now()),
        )
