"""Where payloads and uploaded results are kept, and the URLs that lead to them."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from nexus_core.domain.names import RunKey


class Content(StrEnum):
    """What is stored of a run."""

    PAYLOAD = "payload"
    """The `algorithmParameters` of the request, as the bytes they came in."""
    RESULT = "result"
    """What the algorithm uploaded."""


class Stored(NamedTuple):
    """Content on its way out."""

    size: int
    """In bytes."""
    chunks: AsyncIterator[bytes]


class PayloadStore(Protocol):
    """Keeps one payload and one result a run.

    Content lies at a place that follows from the run's key alone, so storing again replaces.
    """

    async def put(self, content: Content, key: RunKey, body: bytes | AsyncIterable[bytes]) -> None:
        """Store content; durable when it returns.

        Readers see the whole of the old or the whole of the new content, never a part. When `body`
        raises, nothing changes and its error passes through.
        """

    async def get(self, content: Content, key: RunKey) -> Stored | None:
        """Open content for reading; None when nothing is stored."""

    async def size(self, content: Content, key: RunKey) -> int | None:
        """Return the size of content in bytes; None when nothing is stored."""

    async def delete(self, content: Content, key: RunKey) -> None:
        """Remove content. Idempotent."""

    def uri(self, content: Content, key: RunKey) -> str:
        """Return what names the content in the checkpoint: stable, and of no use without us."""

    async def download_url(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str = ""
    ) -> str:
        """Return a URL to GET content, there already or not, without credentials."""

    async def upload_url(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        """Return a URL to PUT content to that needs no credentials, and serves nothing else."""

    async def ping(self) -> None:
        """Return when the store answers; raise `UnavailableError` when it does not."""
