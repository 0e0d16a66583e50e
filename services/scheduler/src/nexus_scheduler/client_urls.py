"""URLs of payloads and results, for who asks for them."""

from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from nexus_core.domain.data_urls import Door, SignedUrls
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import Content, PayloadStore

_DOORS = {Content.PAYLOAD: Door.PAYLOADS, Content.RESULT: Door.RESULTS}
_PORTS = {"http": 80, "https": 443}


class _Place(NamedTuple):
    host: str
    port: int | None


class ClientUrls:
    """Hands out URLs that lead to where their reader finds them.

    Algorithms are clients, too, as soon as they start runs of their own. Who asked at
    `scheduler-url` is one of them, or sees the same names as they do.
    """

    def __init__(
        self, clock: Clock, valid_for: timedelta, scheduler_url: str, public: SignedUrls | None
    ) -> None:
        """Take what makes URLs for who asked elsewhere; None: these get those of algorithms."""
        self._clock = clock
        self._valid_for = valid_for
        self._scheme = urlsplit(scheduler_url).scheme
        self._of_algorithms = _place(scheduler_url)
        self._public = public

    async def download(
        self,
        payloads: PayloadStore,
        content: Content,
        key: RunKey,
        host: str,
        content_hash: str = "",
    ) -> str:
        """Return a URL to content of a run, given the `Host` that the request for it names."""
        if self._public is None or self._is_of_algorithms(host):
            return await payloads.download_url(content, key, self._valid_for, content_hash)
        return self._public.make(
            _DOORS[content],
            key,
            now=self._clock.now(),
            valid_for=self._valid_for,
            checksum=content_hash,
        )

    def _is_of_algorithms(self, host: str) -> bool:
        return _place(f"{self._scheme}://{host}") == self._of_algorithms


def _place(url: str) -> _Place | None:
    """Return where a request to a URL says that it goes; None: that can't be."""
    try:
        parts = urlsplit(url)
        return _Place(parts.hostname or "", parts.port or _PORTS.get(parts.scheme))
    except ValueError:
        return None
