"""A cluster that does what a test says: Jobs exist in memory, and nothing runs."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from nexus_core.domain.errors import ConflictError, HeldUpError, UnavailableError
from nexus_core.domain.journal import LogTail
from nexus_core.domain.log_tail import last_lines
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import (
    JobHandle,
    JobPhase,
    JobStatus,
    PodPhase,
    PodStatus,
    Trouble,
)
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock
from nexus_core.ports.cluster import FollowedLog


class ScriptedCluster:
    """Keeps Jobs, counts what is asked, and tells what the test lets happen."""

    def __init__(self, clock: Clock, name: str = "standalone") -> None:
        self._clock = clock
        self._name = name
        self._jobs: dict[RunKey, JobStatus] = {}
        self._owners: dict[RunKey, str] = {}
        self.followers: set[asyncio.Queue[JobStatus | Exception]] = set()
        self.manifests: dict[RunKey, dict[str, Any]] = {}
        """Of every Job that was ever created."""
        self.creations: Counter[RunKey] = Counter()
        """How often a Job came into being, by run."""
        self.deletions: list[tuple[RunKey, CancellationPolicy]] = []
        self.refusal: Exception | None = None
        """Raised by every call while it is set."""
        self.creation_refusal: Exception | None = None
        """Raised by every creation while it is set."""
        self.refused = 0
        """How many creations were refused by that."""
        self.logs: dict[RunKey, str] = {}
        """What Jobs have printed; gone with them."""
        self.log_refusal: Exception | None = None
        """Raised by every look at a log while it is set."""
        self.log_reads: list[RunKey] = []
        self.log_gate = asyncio.Event()
        """Looks at logs wait while it is cleared."""
        self.log_gate.set()
        self.readers: set[asyncio.Queue[str | Exception | None]] = set()
        """Those who follow a log: what is put there is printed, raised, or the end."""
        self.open_gate = asyncio.Event()
        """Creations wait while it is cleared."""
        self.open_gate.set()
        self.waiting = 0
        """How many creations wait now."""
        self.lists_nothing = False
        """Whether its list of Jobs comes back empty, whatever there is."""
        self.pings = 0
        """How often it was asked whether it is there."""

    @property
    def name(self) -> str:
        return self._name

    async def create_job(
        self, key: RunKey, manifest: bytes, send_by: float | None = None
    ) -> JobHandle:
        self.waiting += 1
        try:
            await self.open_gate.wait()
        finally:
            self.waiting -= 1
        if send_by is not None and self._clock.monotonic() >= send_by:
            raise HeldUpError("held up before it was sent")
        self._refuse()
        if self.creation_refusal is not None:
            self.refused += 1
            raise self.creation_refusal
        if (job := self._jobs.get(key)) is not None:
            return JobHandle(job.uid, created=False)
        if any(other.request_id == key.request_id for other in self._jobs):
            raise ConflictError(f"Job {key.request_id} is another run's")
        decoded = msgspec.json.decode(manifest)
        job = JobStatus(
            key=key,
            uid=str(uuid.uuid4()),
            phase=JobPhase.ACTIVE,
            created_at=self._clock.now(),
        )
        self._jobs[key] = job
        self.manifests[key] = decoded
        self.creations[key] += 1
        for owner in decoded["metadata"].get("ownerReferences", ()):
            self._owners[key] = owner["uid"]
        return JobHandle(job.uid, created=True)

    async def find_job(self, key: RunKey) -> JobStatus | None:
        self._refuse()
        job = self._jobs.get(key)
        return job if job is not None and job.deleted_at is None else None

    async def delete_job(
        self, key: RunKey, policy: CancellationPolicy = CancellationPolicy.BACKGROUND
    ) -> bool:
        self._refuse()
        self.deletions.append((key, policy))
        job = self._jobs.pop(key, None)
        if job is None:
            return False
        if policy is not CancellationPolicy.ORPHAN:
            for child in [k for k, uid in self._owners.items() if uid == job.uid]:
                del self._owners[child]
                await self.delete_job(child, policy)
        return True

    async def log(self, key: RunKey, limit: int) -> LogTail | None:
        self._refuse()
        self.log_reads.append(key)
        await self.log_gate.wait()
        if self.log_refusal is not None:
            raise self.log_refusal
        printed = self.logs.get(key) if key in self._jobs else None
        if printed is None:
            return None
        return LogTail(
            text=printed[-limit:],
            at=self._clock.now(),
            pod=f"{key.request_id}-0",
            truncated=len(printed) > limit,
        )

    @asynccontextmanager
    async def follow_log(self, key: RunKey, lines: int) -> AsyncIterator[FollowedLog | None]:
        tail = await self.log(key, 1 << 20)
        if tail is None:
            yield None
            return
        pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self.readers.add(pieces)
        try:
            yield FollowedLog(tail.pod, _until_none(last_lines(tail, lines).text, pieces))
        finally:
            self.readers.discard(pieces)

    async def jobs(self) -> AsyncIterator[JobStatus]:
        self._refuse()
        for job in () if self.lists_nothing else list(self._jobs.values()):
            yield job

    async def observe(self) -> AsyncGenerator[JobStatus, None]:
        self._refuse()
        happenings: asyncio.Queue[JobStatus | Exception] = asyncio.Queue()
        self.followers.add(happenings)
        try:
            while True:
                happening = await happenings.get()
                if isinstance(happening, Exception):
                    raise happening
                yield happening
        finally:
            self.followers.discard(happenings)

    def silence(self) -> float | None:
        return 0.0 if self.followers else None

    async def ping(self) -> None:
        self.pings += 1
        self._refuse()

    # What tests say.

    @property
    def living(self) -> set[RunKey]:
        return set(self._jobs)

    def tell(self, key: RunKey, **changes: Any) -> None:
        """Change a Job's status, if it is there, and let all followers hear of how it is.

        They hear of one that is not there, too: what is told may be late.
        """
        known = self._jobs.get(key)
        job = known or JobStatus(
            key=key, uid="gone", phase=JobPhase.ACTIVE, created_at=self._clock.now()
        )
        job = msgspec.structs.replace(job, **changes)
        if known is not None:
            self._jobs[key] = job
        for follower in self.followers:
            follower.put_nowait(job)

    def fail(self, key: RunKey, reason: str, **changes: Any) -> None:
        """Let a Job fail, and all followers hear of it."""
        changes.setdefault("message", f"{reason} happened")
        self.tell(
            key,
            phase=JobPhase.FAILED,
            reason=reason,
            finished_at=self._clock.now(),
            **changes,
        )

    def mention(self, key: RunKey, word: str) -> None:
        """Let all followers hear of a state that means nothing."""
        job = self._jobs.get(key)
        status = JobStatus(
            key=key,
            uid=job.uid if job else "gone",
            phase=JobPhase.ACTIVE,
            created_at=self._clock.now(),
            pods=(
                PodStatus(
                    uid="pod",
                    name="pod",
                    phase=PodPhase.PENDING,
                    created_at=self._clock.now(),
                    waiting=Trouble(reason=word),
                ),
            ),
        )
        for follower in self.followers:
            follower.put_nowait(status)

    def break_feed(self) -> None:
        """Let the feed of every follower end in an error."""
        for follower in self.followers:
            follower.put_nowait(UnavailableError("the feed broke"))

    def become(self, key: RunKey, **changes: Any) -> None:
        """Change a Job's status, and tell nobody."""
        self._jobs[key] = msgspec.structs.replace(self._jobs[key], **changes)

    def lose(self, key: RunKey) -> JobStatus:
        """Let a Job vanish, and tell nobody."""
        return self._jobs.pop(key)

    def give_back(self, job: JobStatus) -> None:
        """Let a Job that was lost be there again."""
        self._jobs[job.key] = job

    def _refuse(self) -> None:
        if self.refusal is not None:
            raise self.refusal


async def _until_none(
    first: str, pieces: asyncio.Queue[str | Exception | None]
) -> AsyncIterator[bytes]:
    piece: str | Exception | None = first
    while piece is not None:
        if isinstance(piece, Exception):
            raise piece
        if piece:
            yield piece.encode()
        piece = await pieces.get()
