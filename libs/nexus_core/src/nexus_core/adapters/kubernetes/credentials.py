"""Credentials that stay fresh while a connection uses them."""

import asyncio
import ssl
from datetime import datetime
from typing import Protocol

import structlog

from nexus_core.adapters.kubernetes.access import Access, Tls
from nexus_core.adapters.kubernetes.tls import certificate_expiry, make_context
from nexus_core.domain.errors import InvalidInputError, UnavailableError
from nexus_core.ports.clock import Clock

log = structlog.get_logger()

# Files are replaced without a word: kubelets renew tokens about hourly, long before they expire.
_READ_AGAIN_SECONDS = 60.0
# An API server that goes on refusing is not asked about by running a plug-in for every request.
_ASK_AGAIN_SECONDS = 5.0
# The share of its life after which a token is replaced: time for a plug-in that fails once.
_OLD = 0.8


class Source(Protocol):
    """Where credentials come from."""

    @property
    def origin(self) -> str:
        """What messages call it, such as `kubeconfig /etc/shards/eu.kubeconfig`."""

    async def load(self, *, anew: bool) -> Access:
        """Read everything; `anew` after an API server refused what was read before.

        Raises:
            InvalidInputError: what is configured is not sound; in one line that begins with origin.
            UnavailableError: who hands out credentials does not, likewise.
        """


class Grant:
    """An access that was read, ready for use."""

    def __init__(self, access: Access, context: ssl.SSLContext | None, now: datetime) -> None:
        self.access = access
        self.ssl = context
        """None: plain HTTP."""
        expires = access.expires_at
        self.old_at = None if expires is None else now + (expires - now) * _OLD
        """When to replace it."""


class Credentials:
    """What a connection presents: read again as files change, tokens expire, servers refuse."""

    def __init__(self, source: Source, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._grant: Grant | None = None
        self._tls: tuple[Tls, ssl.SSLContext] | None = None
        self._read_at = 0.0
        self._loading: asyncio.Task[Grant] | None = None

    @property
    def origin(self) -> str:
        """What messages call them."""
        return self._source.origin

    async def check(self) -> None:
        """Read everything once, so that a mistake in it is known before it is needed.

        Raises:
            InvalidInputError: what is configured is not sound.
        """
        try:
            await self._load(anew=False)
        except UnavailableError as error:
            # No mistake in what is configured, and who hands them out may come back.
            log.warning("no credentials", error=str(error))

    async def close(self) -> None:
        """End what is under way."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    async def current(self) -> Grant:
        """Return what to present now.

        Raises:
            UnavailableError: there is nothing; in one line.
        """
        if self._grant is not None and not self._due():
            return self._grant
        return await self._loaded(anew=self._is_old())

    async def after_refusal(self, refused: Grant) -> Grant:
        """Return what to present after a server refused; the same again when there is no other.

        Raises:
            UnavailableError: there is nothing; in one line.
        """
        if self._loading is not None:
            # It may have begun before the refusal, and what it brings may be the same again.
            await self._loaded(anew=True)
        since = self._clock.monotonic() - self._read_at
        if self._grant is not None and (self._grant is not refused or since < _ASK_AGAIN_SECONDS):
            return self._grant
        return await self._loaded(anew=True)

    async def _loaded(self, *, anew: bool) -> Grant:
        """Load, or wait for who is at it: one plug-in runs for all who need what it hands out.

        It goes on though who asked first is cancelled. A plug-in takes seconds, and who only looks
        whether a server is there has no patience for that: ended each time, it would never end.
        """
        if self._loading is None:
            name = f"credentials of {self.origin}"
            self._loading = asyncio.create_task(self._reload(anew=anew), name=name)
            self._loading.add_done_callback(self._let_go)
        return await asyncio.shield(self._loading)

    def _let_go(self, loading: asyncio.Task[Grant]) -> None:
        self._loading = None
        if not loading.cancelled():
            loading.exception()  # all who wanted to know may have gone

    def _due(self) -> bool:
        age = self._clock.monotonic() - self._read_at
        return age >= _READ_AGAIN_SECONDS or self._is_old()

    def _is_old(self) -> bool:
        old_at = self._grant.old_at if self._grant else None
        return old_at is not None and self._clock.now() >= old_at

    async def _reload(self, *, anew: bool) -> Grant:
        try:
            return await self._load(anew=anew)
        except (InvalidInputError, UnavailableError) as error:
            # A file may be half replaced; what was good a minute ago is likely to be so still.
            if self._grant is not None and not self._has_expired(self._grant):
                log.warning("credentials not renewed", error=str(error))
                self._read_at = self._clock.monotonic()
                return self._grant
            raise UnavailableError(str(error)) from error

    async def _load(self, *, anew: bool) -> Grant:
        access = await self._source.load(anew=anew)
        if access.tls and access.tls.certificate:
            self._check_validity(access, access.tls.certificate)
        grant = Grant(access, self._context(access), self._clock.now())
        same = self._grant is not None and self._grant.access == access
        if not same or anew:
            self._grant = grant
        self._read_at = self._clock.monotonic()
        return self._grant or grant

    def _check_validity(self, access: Access, certificate: bytes) -> None:
        """Refuse a client certificate that has expired, since servers don't say why they refuse."""
        try:
            until = certificate_expiry(certificate)
        except InvalidInputError as error:
            raise InvalidInputError(f"{self.origin}: {error}") from error
        if until <= self._clock.now():
            raise UnavailableError(
                f"{self.origin}: the client certificate of user '{access.user}' "
                f"expired at {until:%Y-%m-%dT%H:%M:%SZ}"
            )

    def _context(self, access: Access) -> ssl.SSLContext | None:
        """Return the context for an access; the one in use where nothing about it has changed.

        Connections are kept by context: a new one would make all of them anew.
        """
        if access.tls is None:
            return None
        if self._tls is None or self._tls[0] != access.tls:
            try:
                self._tls = (access.tls, make_context(access.tls))
            except (InvalidInputError, UnavailableError) as error:
                raise type(error)(f"{self.origin}: {error}") from error
        return self._tls[1]

    def _has_expired(self, grant: Grant) -> bool:
        expires: datetime | None = grant.access.expires_at
        if expires is not None and expires <= self._clock.now():
            return True
        tls = grant.access.tls
        return bool(
            tls and tls.certificate and certificate_expiry(tls.certificate) <= self._clock.now()
        )
