"""Large bodies: sent in parts, some at a time, and put together by the server at the end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import suppress
from functools import partial

import structlog

from nexus_core.adapters.s3.attempts import Attempts
from nexus_core.adapters.s3.connection import BucketConnection, Reply
from nexus_core.adapters.s3.documents import completion, texts_of
from nexus_core.adapters.s3.errors import AbsentError
from nexus_core.adapters.s3.signatures import Request
from nexus_core.domain.errors import UnavailableError

log = structlog.get_logger()

# Of one upload. While so many are under way, no further part is read into memory.
_PARTS_AT_ONCE = 4


class Uploads:
    """Sends bodies in parts.

    Readers see nothing of an upload before its end. One that fails or is cancelled is cleared in
    the background: what is under way is let go its way first, since a part that arrives after its
    upload was aborted can bring it back, and whoever was cancelled does not wait for that.
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
        begin = Request("POST", key, {"uploads": ""}, content_type=content_type)
        beginning = asyncio.create_task(self._request(begin), name=f"begin {key}")
        requests = [beginning]
        try:
            upload = _id_of(await asyncio.shield(beginning))
            tags = await self._send_parts(key, upload, parts, requests)
            end = Request("POST", key, {"uploadId": upload}, completion(tags), "application/xml")
            requests.append(asyncio.create_task(self._request(end), name=f"complete {key}"))
            await asyncio.shield(requests[-1])
        except BaseException:
            clearing = asyncio.create_task(self._clear(key, requests), name=f"clear {key}")
            self._clearing.add(clearing)
            clearing.add_done_callback(self._clearing.discard)
            raise

    async def close(self) -> None:
        """Wait until nothing is left of uploads that failed; bounded, as each request is."""
        while self._clearing:
            await asyncio.wait(self._clearing)

    async def _send_parts(
        self,
        key: str,
        upload: str,
        parts: AsyncIterator[bytes],
        requests: list[asyncio.Task[Reply]],
    ) -> list[str]:
        """Return the tags of all parts in their order; add to `requests` whatever is sent."""
        sent: list[asyncio.Task[Reply]] = []
        under_way: set[asyncio.Task[Reply]] = set()
        async for part in parts:
            query = {"partNumber": str(len(sent) + 1), "uploadId": upload}
            task = asyncio.create_task(
                self._request(Request("PUT", key, query, part)), name=f"part {len(sent) + 1}"
            )
            del part  # or it would be kept until the next one is there
            sent.append(task)
            requests.append(task)
            under_way.add(task)
            while len(under_way) >= _PARTS_AT_ONCE:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        await asyncio.wait(sent, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in sent if task.done() and task.exception()]
        return [task.result().headers.get("ETag", "") for task in failed or sent]

    async def _request(self, request: Request) -> Reply:
        return await self._attempts.run(partial(self._connection.send, request))

    async def _clear(self, key: str, requests: list[asyncio.Task[Reply]]) -> None:
        beginning, *_ = requests
        await asyncio.gather(*requests, return_exceptions=True)
        try:
            abort = Request("DELETE", key, {"uploadId": _id_of(beginning.result())})
            await self._request(abort)
        except AbsentError:
            return
        except UnavailableError as error:
            # A lifecycle rule for incomplete uploads removes it.
            log.warning("upload left behind", key=key, error=str(error))


def _id_of(reply: Reply) -> str:
    upload = texts_of(reply.body).get("UploadId", "")
    if not upload:
        raise UnavailableError("the server began an upload without an id")
    return upload


async def in_parts(body: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes]:
    """Go through a body in pieces of one size, the last apart; nothing when it is empty.

    A piece belongs to its taker alone: none is kept while the next one is read.
    """
    waiting = bytearray()
    async for chunk in body:
        waiting += chunk
        while len(waiting) >= size:
            yield _cut_off(waiting, size)
    if waiting:
        yield bytes(waiting)


def _cut_off(waiting: bytearray, size: int) -> bytes:
    part = bytes(memoryview(waiting)[:size])
    del waiting[:size]
    return part


async def slices(body: bytes, size: int) -> AsyncGenerator[bytes]:
    """Go through a body that is there, in the same way."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def chained(first: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Go through parts that were taken already, and then through the rest, keeping none."""
    while first:
        yield first.pop(0)
    # The variable of a loop would keep each part until the next one is there.
    with suppress(StopAsyncIteration):
        while True:
            yield await anext(rest)
