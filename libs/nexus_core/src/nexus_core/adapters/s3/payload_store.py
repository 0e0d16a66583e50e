"""The port `PayloadStore` in a bucket."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import timedelta
from typing import Self

from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError

from nexus_core.adapters.s3.addresses import BucketAddress
from nexus_core.adapters.s3.attempts import Attempts
from nexus_core.adapters.s3.connection import BucketConnection, Pool, trusting
from nexus_core.adapters.s3.credentials import ChainCredentials
from nexus_core.adapters.s3.errors import ENDPOINT, Place
from nexus_core.adapters.s3.objects import BucketObjects, at_once
from nexus_core.adapters.s3.settings import S3Settings
from nexus_core.adapters.s3.uploads import Uploads, chained, in_parts, slices
from nexus_core.adapters.s3.urls import PresignedUrls
from nexus_core.adapters.scheduler_urls import SchedulerUrls
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.domain.errors import InvalidInputError
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock
from nexus_core.ports.payload_store import Content, Stored
from nexus_core.ports.timekeeper import ToldTime, told_by

_DEFAULT_REGION = "us-east-1"

_CONTENT_TYPES = {
    Content.PAYLOAD: "application/json",
    Content.RESULT: "application/octet-stream",
}


class S3PayloadStore:
    """Keeps content at `<prefix>/algorithm=<algorithm>/<request id>`, results with `.result` added.

    Its URLs are presigned; or they lead to a scheduler, where that is wished, or a presigned one
    could end before its time.
    """

    def __init__(
        self,
        connection: BucketConnection,
        settings: S3Settings,
        urls: SchedulerUrls,
        clock: Clock,
    ) -> None:
        within = settings.timeout.total_seconds()
        attempts = Attempts(connection.place, settings.attempts, within, clock)
        self._place = connection.place
        self._location = settings.location
        self._part_size = settings.part_size
        self._objects = BucketObjects(connection, attempts, within)
        self._uploads = Uploads(connection, attempts)
        self._scheduler_urls = urls
        self._presigned = PresignedUrls(connection, clock, within) if settings.presigned else None

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: S3Settings, urls: SignedUrls, clock: Clock
    ) -> AsyncIterator[Self]:
        """Open a bucket, without asking for it: it may be away for now, which `ping` tells.

        Leaving waits, within bounds, until nothing is left of uploads that failed.

        Raises:
            InvalidInputError: the endpoint is no URL, the certificates can't be read, or the
                configuration of AWS names what there is not.
        """
        session = AioSession()
        try:
            place, ca_file = await _place(session, settings)
        except BotoCoreError as error:
            raise InvalidInputError(f"the configuration of AWS can't be used: {error}") from error
        pool = Pool(
            await asyncio.to_thread(trusting, ca_file),
            settings.connections,
            settings.connect_timeout.total_seconds(),
            ca_file,
        )
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(
                BucketConnection.open(
                    _address(place, settings), place, ChainCredentials(session), clock, pool
                )
            )
            store = cls(connection, settings, SchedulerUrls(urls, clock), clock)
            stack.push_async_callback(store._uploads.close)
            yield store

    async def put(self, content: Content, key: RunKey, body: bytes | AsyncIterable[bytes]) -> None:
        """Store content; durable when it returns.

        A body of more than a part goes in parts, a few of which are in memory at a time: a
        connection that breaks costs one of them, and not everything. One that has no end breaks off
        at the server's largest number of parts (10,000).
        """
        object_key, content_type = self._location.key(content, key), _CONTENT_TYPES[content]
        if isinstance(body, bytes) and len(body) <= self._part_size:
            await self._objects.put(object_key, body, content_type)
            return
        size = self._part_size
        pieces = slices(body, size) if isinstance(body, bytes) else in_parts(body, size)
        async with aclosing(pieces) as parts:
            first, second = await anext(parts, b""), await anext(parts, b"")
            if second:
                begun = [first, second]
                del first, second  # so that each part is let go of as soon as it is sent
                await self._uploads.send(object_key, chained(begun, parts), content_type)
            else:
                await self._objects.put(object_key, first, content_type)

    async def get(self, content: Content, key: RunKey) -> Stored | None:
        """Open content for reading; None when nothing is stored."""
        found = await self._objects.open(self._location.key(content, key))
        if found is None:
            return None
        if isinstance(found, bytes):
            return Stored(len(found), at_once(found))
        return Stored(found.size, found)

    async def size(self, content: Content, key: RunKey) -> int | None:
        """Return the size of content in bytes; None when nothing is stored."""
        return await self._objects.size(self._location.key(content, key))

    async def delete(self, content: Content, key: RunKey) -> None:
        """Remove content. Idempotent. In a bucket with versions, a version of it stays."""
        await self._objects.delete(self._location.key(content, key))

    def uri(self, content: Content, key: RunKey) -> str:
        """Return the content's `s3a://` URL."""
        return self._location.uri(content, key)

    async def download_url(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str = ""
    ) -> str:
        """Return a presigned URL, or a signed one of the scheduler, to GET content."""
        url = await self._presign("GET", content, key, valid_for)
        return url or self._scheduler_urls.download(content, key, valid_for, content_hash)

    async def upload_url(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        """Return a presigned URL, or a signed one of the scheduler, to PUT a result to.

        Raises:
            ValueError: the content is a payload; those come with their request.
        """
        if content is not Content.RESULT:
            raise ValueError("only results are uploaded")
        url = await self._presign("PUT", content, key, valid_for)
        return url or self._scheduler_urls.upload(content, key, valid_for)

    async def ping(self) -> None:
        """Return when the bucket answers, to us and in its region."""
        await self._objects.ping()

    async def time(self) -> ToldTime:
        """Return what the server's clock says, by which it judges whether URLs have expired."""
        return told_by(await self._objects.date(), str(self._place))

    async def _presign(
        self, method: str, content: Content, key: RunKey, valid_for: timedelta
    ) -> str | None:
        if self._presigned is None:
            return None
        return await self._presigned.make(method, self._location.key(content, key), valid_for)


def _address(place: Place, settings: S3Settings) -> BucketAddress:
    try:
        return BucketAddress.of(place.endpoint, place.bucket, settings.addressing)
    except InvalidInputError as error:
        raise InvalidInputError(f"{ENDPOINT}: {error}") from error


async def _place(session: AioSession, settings: S3Settings) -> tuple[Place, str]:
    """Return where the bucket is, and the file of certificates to trust; empty: the common ones.

    What the settings leave open, AWS's configuration says; the session takes keys of the settings.
    """
    if settings.access_key_id:
        session.set_credentials(
            settings.access_key_id, settings.secret_access_key, settings.session_token or None
        )
    region = settings.region or session.get_config_variable("region") or _DEFAULT_REGION
    endpoint = settings.endpoint
    if not endpoint:
        # A client knows the rules by which Amazon's endpoints are named, and what AWS's
        # configuration puts in their place. Nothing is sent by it.
        async with session.create_client("s3", region_name=region) as client:
            endpoint = client.meta.endpoint_url
    ca_file = settings.ca_file or session.get_config_variable("ca_bundle") or ""
    return Place(settings.location.bucket, endpoint, region), ca_file
