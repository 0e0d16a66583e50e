"""Large bodies: sent in parts, some at a time, and put together by the server at the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from functools import partial

import structlog

from nexus_core.adapters.s3.attempts import Attempts
from nexus_core.adapters.s3.connection import BucketConnection
from nexus_core.adapters.s3.documents import completion, texts_of
from nexus_core.adapters.s3.errors import AbsentError
from nexus_core.adapters.s3.signatures import Request
from nexus_core.domain.errors import UnavailableError

log = structlog.get_logger()

# In memory at a time, of one upload. Three keep a fast connection busy while one is filled.
_PARTS_AT_ONCE = 4


class Uploads:
    """Sends bodies in parts.

    Readers see nothing of an upload before its end. One that fails or is cancelled is aborted in
    the background: the server may be what failed, and whoever was cancelled does not wait for it.
    """

    def __init__(self, connection: BucketConnection, attempts: Attempts) -> None:
        self._connection = connection
        self._attempts = attempts
        self._clearing: set[asyncio.Task[None]] = set()

    async def send(self, key: str, parts: AsyncIterator[bytes], content_type: str) -> None:
        """Write an object of parts, each but the last of the same size, and at least one.

        Raises:
            UnavailableError: a part or the whole was refused. What `parts` raises passes through.
        """
        # Not cancelled with this: an upload that was begun unheard would stay for ever.
        beginning = asyncio.create_task(self._begin(key, content_type), name=f"begin {key}")
        try:
            upload = await asyncio.shield(beginning)
            etags = await self._send_parts(key, upload, parts)
            await self._complete(key, upload, etags)
        except BaseException:
            clearing = asyncio.create_task(self._abort(key, beginning), name=f"abort {key}")
            self._clearing.add(clearing)
            clearing.add_done_callback(self._clearing.discard)
            raise

    async def close(self) -> None:
        """Wait until nothing is left of uploads that failed; bounded, as each request is."""
        while self._clearing:
            await asyncio.wait(self._clearing)

    async def _begin(self, key: str, content_type: str) -> str:
        request = Request("POST", key, {"uploads": ""}, content_type=content_type)
        reply = await self._attempts.run(partial(self._connection.send, request))
        upload = texts_of(reply.body).get("UploadId", "")
        if not upload:
            raise UnavailableError(f"{self._connection.place}: an upload began without an id")
        return upload

    async def _send_parts(self, key: str, upload: str, parts: AsyncIterator[bytes]) -> list[str]:
        """Return the tags of all parts, in their order."""
        sending: list[asyncio.Task[str]] = []
        places = asyncio.Semaphore(_PARTS_AT_ONCE)

        async def send(part: bytes, number: int) -> str:
            try:
                return await self._send_part(key, upload, part, number)
            finally:
                places.release()

        try:
            async with asyncio.TaskGroup() as group:
                await places.acquire()
                async for part in parts:
                    number = len(sending) + 1
                    sending.append(group.create_task(send(part, number), name=f"part {number}"))
                    await places.acquire()
        except BaseExceptionGroup as errors:
            # The first is the reason of the others.
            raise errors.exceptions[0] from None
        return [task.result() for task in sending]

    async def _send_part(self, key: str, upload: str, part: bytes, number: int) -> str:
        query = {"partNumber": str(number), "uploadId": upload}
        request = Request("PUT", key, query, part)
        reply = await self._attempts.run(partial(self._connection.send, request))
        return reply.headers.get("ETag", "")

    async def _complete(self, key: str, upload: str, etags: list[str]) -> None:
        request = Request("POST", key, {"uploadId": upload}, completion(etags), "application/xml")
        await self._attempts.run(partial(self._connection.send, request))

    async def _abort(self, key: str, beginning: asyncio.Task[str]) -> None:
        try:
            upload = await beginning
            request = Request("DELETE", key, {"uploadId": upload})
            await self._attempts.run(partial(self._connection.send, request))
        except AbsentError:
            return
        except UnavailableError as error:
            # A lifecycle rule for incomplete uploads removes it.
            log.warning("upload left behind", key=key, error=str(error))


async def in_parts(body: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes]:
    """Go through a body in pieces of one size, the last apart; nothing when it is empty."""
    waiting = bytearray()
    async for chunk in body:
        waiting += chunk
        while len(waiting) >= size:
            part = bytes(memoryview(waiting)[:size])
            del waiting[:size]
            yield part
    if waiting:
        yield bytes(waiting)


async def slices(body: bytes, size: int) -> AsyncGenerator[bytes]:
    """Go through a body that is there, in the same way."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def chained(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Go through parts that were taken already, letting go of each, and then through the rest."""
    while first:
        yield first.pop(0)
    async for part in rest:
        yield part
