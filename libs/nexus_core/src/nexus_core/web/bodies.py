"""Reading request bodies within bounds, and writing answers."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
from aiohttp import web

from nexus_core.domain.errors import InvalidInputError

_encode = msgspec.json.Encoder().encode


class BodyTooLargeError(InvalidInputError):
    """The body is longer than the service takes."""


class BodyTooSlowError(InvalidInputError):
    """The body did not arrive in time, or not whole."""


def _uncounted(_: int) -> None:
    pass


async def read_body(
    request: web.Request, limit: int, within: float, take: Callable[[int], None] = _uncounted
) -> bytes:
    """Read a whole body.

    A body that says it is too long is refused before a byte of it is read, one that turns out to
    be too long (it has no length, or is compressed) as soon as it is.

    Args:
        request: the request, its body not yet touched.
        limit: the most bytes to take, after decompression.
        within: the most seconds to wait for all of it.
        take: told of each part how long it is, as it arrives; may raise, and no more is read.

    Raises:
        BodyTooLargeError: it is longer than `limit`.
        BodyTooSlowError: it is not there in time, or the client went away before its end.
        InvalidInputError: it is not compressed, or cut into chunks, as its headers say.
    """
    content = request.content
    if content.is_eof() and content.exception() is None:
        # Mostly a body comes with its head, is all there by now, and needs no waiting.
        body = content.read_nowait()
        if len(body) > limit:
            raise _too_large(limit)
        take(len(body))
        return body
    chunks = []
    try:
        async with asyncio.timeout(within):
            async for chunk in stream_body(request, limit):
                take(len(chunk))
                chunks.append(chunk)
    except TimeoutError as error:
        raise BodyTooSlowError(f"the body did not arrive within {within:g} s") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def stream_body(request: web.Request, limit: int) -> AsyncIterator[bytes]:
    """Go through a body chunk by chunk, under the same limit and errors as `read_body`."""
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    size = 0
    try:
        while chunk := await request.content.readany():
            size += len(chunk)
            if size > limit:
                raise _too_large(limit)
            yield chunk
    except web.RequestPayloadError as error:
        raise InvalidInputError("the body is not encoded as its headers say") from error
    except ConnectionError as error:
        raise BodyTooSlowError("the body ended early") from error


def json_response(value: object, status: int = 200) -> web.Response:
    """Answer with a value as JSON."""
    return web.Response(status=status, body=_encode(value), content_type="application/json")


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is larger than {limit} bytes")
