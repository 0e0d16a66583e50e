"""Signed URLs of the scheduler, as payload stores hand them out that are served by it."""

from datetime import timedelta

from nexus_core.domain.data_urls import Door, SignedUrls
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import Content

_DOORS = {Content.PAYLOAD: Door.PAYLOADS, Content.RESULT: Door.RESULTS}


class SchedulerUrls:
    """The URLs of a `PayloadStore` that lead to a scheduler, which verifies and serves them."""

    def __init__(self, urls: SignedUrls, clock: Clock) -> None:
        self._urls = urls
        self._clock = clock

    def download(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str
    ) -> str:
        """Return a URL to GET content."""
        now = self._clock.now()
        return self._urls.make(
            _DOORS[content], key, now=now, valid_for=valid_for, checksum=content_hash
        )

    def upload(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        """Return a URL to PUT a result to.

        Raises:
            ValueError: the content is a payload; those come with their request.
        """
        if content is not Content.RESULT:
            raise ValueError("only results are uploaded")
        return self._urls.make(Door.UPLOADS, key, now=self._clock.now(), valid_for=valid_for)
