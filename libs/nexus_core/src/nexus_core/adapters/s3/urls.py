"""Presigned URLs: the server serves them to whoever holds them."""

import asyncio
from datetime import timedelta

import structlog
from botocore.exceptions import BotoCoreError

from nexus_core.adapters.s3.connection import BucketConnection
from nexus_core.adapters.s3.errors import failed, late
from nexus_core.adapters.s3.signatures import LONGEST_VALIDITY
from nexus_core.ports.clock import Clock

log = structlog.get_logger()


class PresignedUrls:
    """Makes presigned URLs, as long as they can be trusted to live."""

    def __init__(self, connection: BucketConnection, clock: Clock, within: float) -> None:
        """Take how long credentials may take to be renewed, in seconds."""
        self._connection = connection
        self._clock = clock
        self._within = within
        self._told: set[str] = set()

    async def make(self, method: str, key: str, valid_for: timedelta) -> str | None:
        """Return a URL of an object; None where it could end before its time.

        S3 takes none for more than seven days, and one dies with the credentials that signed it,
        which may be temporary. (Rejected: shortening it. Nobody would know before a pod that waited
        long for its node finds its payload gone.)

        Raises:
            UnavailableError: there are no credentials.
        """
        if valid_for > LONGEST_VALIDITY:
            self._tell("they are to be valid for more than seven days")
            return None
        place = self._connection.place
        try:
            async with asyncio.timeout(self._within):
                source = self._connection.credentials
                credentials = await source.lasting(valid_for.total_seconds())
        except TimeoutError as error:
            raise late(place, self._within) from error
        except (BotoCoreError, RuntimeError) as error:
            raise failed(place, error) from error
        if credentials is None:
            self._tell("the credentials are temporary, and may end before them")
            return None
        return self._connection.signer.presign(
            credentials,
            method,
            key,
            now=self._clock.now(),
            # Less than a second is no validity to S3.
            valid_for=max(valid_for, timedelta(seconds=1)),
        )

    def _tell(self, reason: str) -> None:
        """Say once that URLs do not lead where the settings say, and why."""
        if reason not in self._told:
            self._told.add(reason)
            log.warning("some URLs lead through the scheduler, not to S3", reason=reason)
