"""Stores that take everything at once and keep nothing, so that what is left is our own work."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from nexus_core.domain.checkpoint import (
    Acceptance,
    BufferedJob,
    Checkpoint,
    IdempotencyKey,
    Lease,
)
from nexus_core.domain.data_urls import Door, SignedUrls
from nexus_core.domain.journal import LogTail
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.domain.stages import Advance, StageChange
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog
from nexus_core.ports.payload_store import Content, Stored


class InstantCheckpointStore:
    async def accept(
        self, checkpoint: Checkpoint, job: BufferedJob | None, key: IdempotencyKey | None = None
    ) -> Acceptance:
        return Acceptance(checkpoint.id)

    async def find(self, key: RunKey) -> Checkpoint | None:
        return None

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        return None

    async def find_submission(self, key: IdempotencyKey) -> Acceptance | None:
        return None

    async def advance(self, key: RunKey, change: StageChange) -> Advance:
        return Advance(applied=True, stage=change.to)

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        return True

    async def ping(self) -> None:
        pass


class InstantLeaseStore:
    async def renew(self, lease: Lease) -> None:
        pass

    async def release(self, owner: str, at: datetime) -> None:
        pass

    async def alive(self, at: datetime) -> Sequence[Lease]:
        return []

    async def expired(self, at: datetime) -> Sequence[Lease]:
        return []


class InstantPayloadStore:
    """Keeps nothing, but signs its URLs: that is work which no store spares us."""

    def __init__(self, urls: SignedUrls, clock: Clock) -> None:
        self._urls = urls
        self._clock = clock

    async def put(self, content: Content, key: RunKey, body: bytes | AsyncIterable[bytes]) -> None:
        pass

    async def get(self, content: Content, key: RunKey) -> Stored | None:
        return None

    async def size(self, content: Content, key: RunKey) -> int | None:
        return None

    async def delete(self, content: Content, key: RunKey) -> None:
        pass

    def uri(self, content: Content, key: RunKey) -> str:
        return f"instant:///{content}/{key}"

    async def download_url(
        self, content: Content, key: RunKey, valid_for: timedelta, content_hash: str = ""
    ) -> str:
        now = self._clock.now()
        return self._urls.make(
            Door.PAYLOADS, key, now=now, valid_for=valid_for, checksum=content_hash
        )

    async def upload_url(self, content: Content, key: RunKey, valid_for: timedelta) -> str:
        return self._urls.make(Door.UPLOADS, key, now=self._clock.now(), valid_for=valid_for)

    async def ping(self) -> None:
        pass


class InstantCluster:
    """Takes every Job and runs none."""

    name = "standalone"

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        return JobHandle("instant", created=True)

    async def find_job(self, key: RunKey) -> JobStatus | None:
        return None

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        return False

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        return None

    @asynccontextmanager
    async def follow_log(self, key: RunKey, lines: int) -> AsyncIterator[FollowedLog | None]:
        yield None

    async def jobs(self) -> AsyncIterator[JobStatus]:
        for job in list[JobStatus]():
            yield job

    async def observe(self) -> AsyncGenerator[JobStatus, None]:
        for status in list[JobStatus]():
            yield status

    def silence(self) -> float | None:
        return 0.0

    async def ping(self) -> None:
        pass
