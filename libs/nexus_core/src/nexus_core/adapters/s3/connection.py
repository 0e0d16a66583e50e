"""Signed requests to one bucket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, Self

import aiohttp
import botocore
from botocore.exceptions import BotoCoreError
from botocore.utils import get_environ_proxies
from multidict import CIMultiDictProxy
from yarl import URL

from nexus_core.adapters.s3.addresses import BucketAddress
from nexus_core.adapters.s3.bodies import LargeBody
from nexus_core.adapters.s3.credentials import CredentialSource
from nexus_core.adapters.s3.errors import CA_FILE, Answer, Place, failed, refused
from nexus_core.adapters.s3.signatures import Request, Signer, encode_query
from nexus_core.domain.errors import InvalidInputError
from nexus_core.ports.clock import Clock

_HASH_OF_NOTHING = sha256(b"").hexdigest()

# Longer bodies are hashed in a thread, and sent in pieces: either would hold up the loop.
_LARGE = 256 * 1024

# What is read of a refusal; those of S3 have a few hundred bytes.
_LONGEST_REFUSAL = 16 * 1024

_AUTOMATIC_HEADERS = ("Accept", "Accept-Encoding", "Content-Type")


class Pool(NamedTuple):
    """How connections are made."""

    tls: ssl.SSLContext
    connections: int
    """At most."""
    connect_timeout: float
    """For one try, in seconds."""
    ca_file: str = ""
    """What `tls` was told to trust; read again when a server's certificate is not trusted."""


class Reply(NamedTuple):
    """A successful answer, whole."""

    headers: CIMultiDictProxy[str]
    body: bytes


class BucketConnection:
    """Sends signed requests to a bucket, over a pool of connections.

    Each request is one try; every error is translated.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: BucketAddress,
        place: Place,
        credentials: CredentialSource,
        clock: Clock,
        pool: Pool,
    ) -> None:
        self.credentials = credentials
        self.signer = Signer(address, place.region)
        self.place = place
        self._address = address
        self._session = session
        self._clock = clock
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        address: BucketAddress,
        place: Place,
        credentials: CredentialSource,
        clock: Clock,
        pool: Pool,
    ) -> AsyncIterator[Self]:
        """Open a pool; nothing is sent before there is something to say."""
        proxies = get_environ_proxies(address.origin)
        connector = aiohttp.TCPConnector(limit=pool.connections, ssl=pool.tls)
        async with aiohttp.ClientSession(
            connector=connector,
            # The bound of an operation is set around it; here, that of one try to connect.
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=pool.connect_timeout),
            headers={"User-Agent": "nexus"},
            skip_auto_headers=_AUTOMATIC_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            proxy=proxies.get(address.origin.partition(":")[0]),
        ) as session:
            yield cls(session, address, place, credentials, clock, pool)

    async def send(self, request: Request) -> Reply:
        """Send a request; return the answer, which must be small.

        The hash of the body is signed, so the server stores it as it left here, or refuses it.

        Raises:
            AbsentError: there is no such object.
            TransientError, UnavailableError: any other refusal, or no answer.
        """
        response = await self.begin(request)
        try:
            reply = Reply(response.headers, await response.read())
        except (aiohttp.ClientError, OSError) as error:
            raise failed(self.place, error) from error
        finally:
            response.release()
        # Putting parts together takes a while, and the status is out before the outcome is known.
        if b"<Error" in reply.body:
            answer = Answer.read(HTTPStatus.OK, reply.headers, reply.body)
            raise refused(self.place, answer)
        return reply

    async def begin(self, request: Request) -> aiohttp.ClientResponse:
        """Send a request; return a successful answer before its body, for the caller to close.

        Raises:
            AbsentError: there is no such object.
            TransientError, UnavailableError: any other refusal, or no answer.
        """
        body = request.body
        if len(body) > _LARGE:
            digest = (await asyncio.to_thread(sha256, body)).hexdigest()
        else:
            digest = sha256(body).hexdigest() if body else _HASH_OF_NOTHING
        large = LargeBody(body) if len(body) > _LARGE else None
        try:
            credentials = await self.credentials.current()
            response = await self._session.request(
                request.method,
                self._url(request),
                data=body if large is None else large,
                headers=self.signer.headers(credentials, request, digest, self._clock.now()),
                allow_redirects=False,
            )
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return response
            answer = await _read_refusal(response)
        except aiohttp.ClientConnectorCertificateError as error:
            await self._read_authorities_again()
            raise failed(self.place, error) from error
        except (aiohttp.ClientError, BotoCoreError, OSError, RuntimeError) as error:
            raise failed(self.place, error) from error
        finally:
            if large is not None:
                large.let_go()
        raise refused(self.place, answer)

    async def date(self) -> datetime | None:
        """Return when the server says that it is, in whole seconds; None: it does not.

        Nothing is signed: a server says it with a refusal, too.

        Raises:
            TransientError, UnavailableError: no answer.
        """
        url = self._url(Request("HEAD"))
        try:
            async with self._session.head(url, allow_redirects=False) as answer:
                return parsedate_to_datetime(answer.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None
        except (aiohttp.ClientError, OSError) as error:
            raise failed(self.place, error) from error

    async def _read_authorities_again(self) -> None:
        """Trust what the file has by now: the server's certificate may be of a new authority.

        That of the old one stays trusted until the process ends.
        """
        if self._pool.ca_file:
            with suppress(OSError, ssl.SSLError):  # it may be half replaced; there is a next time
                await asyncio.to_thread(self._pool.tls.load_verify_locations, self._pool.ca_file)

    def _url(self, request: Request) -> URL:
        url = self._address.origin + self._address.path_of(request.key)
        # As it was signed, and not as yarl would write it.
        return URL(f"{url}?{encode_query(request.query)}" if request.query else url, encoded=True)


def trusting(ca_file: str) -> ssl.SSLContext:
    """Return a TLS context that trusts a file of certificates, or else what is commonly trusted.

    Blocks, for some milliseconds.

    Raises:
        InvalidInputError: the file can't be read, or holds no certificates.
    """
    try:
        if ca_file:
            return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidInputError(
            f"{CA_FILE}: {ca_file} can't be used: {error.strerror or error}"
        ) from error
    context = ssl.create_default_context()
    # A small image has no certificates of its own; botocore brings those that AWS needs.
    context.load_verify_locations(Path(botocore.__file__).with_name("cacert.pem"))
    return context


async def _read_refusal(response: aiohttp.ClientResponse) -> Answer:
    try:
        body = await response.content.read(_LONGEST_REFUSAL)
    finally:
        response.close()
    return Answer.read(response.status, response.headers, body)
