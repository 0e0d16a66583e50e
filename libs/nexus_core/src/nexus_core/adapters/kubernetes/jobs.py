"""The Jobs of runs in one namespace: creating, finding, listing, deleting."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import msgspec

from nexus_core.adapters.kubernetes.answers import Answer
from nexus_core.adapters.kubernetes.connection import MERGE_PATCH, Connection
from nexus_core.adapters.kubernetes.identity import HEADS, check_identity, is_of
from nexus_core.adapters.kubernetes.offspring import Offspring
from nexus_core.adapters.kubernetes.refusals import is_there_already, not_done, refusal_of
from nexus_core.adapters.kubernetes.runs import (
    JOB_NAME_LABEL,
    RUN_SELECTOR,
    Job,
    Pod,
)
from nexus_core.adapters.kubernetes.statuses import job_status
from nexus_core.aio.backoff import Backoff
from nexus_core.domain.errors import (
    ConflictError,
    HeldUpError,
    NotNowError,
    UnavailableError,
)
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle, JobStatus
from nexus_core.domain.request import CancellationPolicy
from nexus_core.ports.clock import Clock

T = TypeVar("T")

# Objects read at once: many a round trip, little memory.
_PAGE = 500
_NOT_FOUND = 404
_CONFLICT = 409
# A Job's controller writes its status a few times when it is new, and then now and then.
_TRIES_TO_PATCH = 5


class JobClient:
    """Jobs of runs, and of them alone, at one API server and in one namespace."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        clock: Clock,
        patience: float,
    ) -> None:
        """`patience` is in seconds, for a deletion that is to be waited for."""
        self._connection = connection
        self._clock = clock
        self._patience = patience
        self._offspring = Offspring(self._owned)
        self.jobs_path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self.pods_path = f"/api/v1/namespaces/{namespace}/pods"

    async def create(self, key: RunKey, manifest: bytes, send_by: float | None = None) -> JobHandle:
        """Create a Job; as the port says."""
        check_identity(key, manifest)
        try:
            answer = await self._connection.request(
                "POST", self.jobs_path, body=manifest, send_by=send_by
            )
        except HeldUpError:
            raise
        except UnavailableError as error:
            return await self._made_nevertheless(key, error)
        if answer.ok:
            return JobHandle(self._decode(HEADS, answer).metadata.uid, created=True)
        if is_there_already(answer):
            return await self._existing(key)
        refusal = refusal_of(answer, self._connection.origin, answer.retry_after(self._clock.now()))
        if answer.is_failure and isinstance(refusal, UnavailableError):
            return await self._made_nevertheless(key, refusal)
        raise refusal

    async def find(self, key: RunKey) -> JobStatus | None:
        """Return the status of a run's Job; None when there is none, or it is being deleted."""
        job = await self._get(key)
        if job is None:
            return None
        return job_status(job, await self.pods_of(key.request_id))

    async def pods_of(self, job_name: str) -> list[Pod]:
        """Return the pods of a Job."""
        selector = f"{RUN_SELECTOR},{JOB_NAME_LABEL}={job_name}"
        return [pod async for pod in self._list(self.pods_path, selector, _pod_pages)]

    async def all(self) -> AsyncIterator[JobStatus]:
        """Go through all Jobs."""
        # Pods after Jobs: of a Job that has ended, the pod's state then says how.
        jobs = [job async for job in self._list(self.jobs_path, RUN_SELECTOR, _job_pages)]
        pods: defaultdict[str, list[Pod]] = defaultdict(list)
        if jobs:
            async for pod in self._list(self.pods_path, RUN_SELECTOR, _pod_pages):
                pods[pod.job_name].append(pod)
        for job in jobs:
            if (status := job_status(job, pods[job.metadata.name])) is not None:
                yield status

    async def delete(self, key: RunKey, policy: CancellationPolicy) -> bool:
        """Delete a Job; as the port says. `Foreground` waits until it is gone, for a while.

        Raises:
            UnavailableError: the server refuses, or the Job is not gone in time.
        """
        job = await self._get(key, whatever_its_end=True)
        if job is None:
            return False
        uid = job.metadata.uid
        if policy is CancellationPolicy.ORPHAN:
            await self._release_children(uid)
        # Kubernetes' own `Orphan` would let the pods run on, with nobody to end them.
        foreground = policy is CancellationPolicy.FOREGROUND
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground" if foreground else "Background",
            "preconditions": {"uid": uid},
        }
        path = f"{self.jobs_path}/{key.request_id}"
        answer = await self._connection.request("DELETE", path, body=msgspec.json.encode(options))
        # A conflict says that another Job has the name by now, so that this one is gone.
        deleted = answer.status not in {_NOT_FOUND, _CONFLICT}
        if deleted and not answer.ok:
            raise self.refused(answer, "delete Jobs")
        if foreground:
            await self._until_gone(key, uid)
        return deleted and job.metadata.deletion_timestamp is None

    async def ping(self) -> None:
        """Return when Jobs can be listed."""
        params = {"labelSelector": RUN_SELECTOR, "limit": "1"}
        answer = await self._connection.request("GET", self.jobs_path, params=params)
        if not answer.ok:
            raise self.refused(answer, "list Jobs")

    def refused(self, answer: Answer, deed: str) -> UnavailableError:
        """Return, in one line, that the server does not let us do something."""
        return not_done(
            answer,
            f"{self._connection.origin}: can't {deed}: {answer.refusal().message}",
            answer.retry_after(self._clock.now()),
        )

    async def _made_nevertheless(self, key: RunKey, error: UnavailableError) -> JobHandle:
        """Look whether a creation whose outcome is not known has made its Job.

        Raises:
            UnavailableError: the one given; it has not, or that can't be told either.
        """
        try:
            job = await self._get(key)
        except (UnavailableError, ConflictError):
            job = None
        if job is None:
            raise error
        return JobHandle(job.metadata.uid, created=False)

    async def _existing(self, key: RunKey) -> JobHandle:
        job = await self._get(key, whatever_its_end=True, must_be_ours=True)
        if job is None or job.metadata.deletion_timestamp is not None:
            raise NotNowError(f"Job {key.request_id} is just being deleted", retry_after=1)
        return JobHandle(job.metadata.uid, created=False)

    async def _get(
        self, key: RunKey, *, whatever_its_end: bool = False, must_be_ours: bool = False
    ) -> Job | None:
        """Return a run's Job; one that is being deleted only when asked for."""
        answer = await self._connection.request("GET", f"{self.jobs_path}/{key.request_id}")
        if answer.status == _NOT_FOUND:
            return None
        if not answer.ok:
            raise self.refused(answer, "read Jobs")
        job: Job = self._decode(_jobs, answer)
        if not is_of(job.metadata, key):
            if must_be_ours:
                raise ConflictError(f"Job {key.request_id} is not one of {key.algorithm}'s runs")
            return None
        if job.metadata.deletion_timestamp is not None and not whatever_its_end:
            return None
        return job

    async def _release_children(self, uid: str) -> None:
        """Let the Jobs that a Job owns be owned by it no more, so that they don't go with it."""
        for name in await self._offspring.of(uid):
            for _ in range(_TRIES_TO_PATCH):
                answer = await self._release(name, uid)
                if answer.status != _CONFLICT:
                    break
            if not answer.ok and answer.status != _NOT_FOUND:
                raise self.refused(answer, "patch Jobs, to keep the children of one that goes")

    async def _release(self, name: str, uid: str) -> Answer:
        """Let a Job be owned by another no more; a conflict says that it has changed meanwhile."""
        answer = await self._connection.request("GET", f"{self.jobs_path}/{name}")
        if not answer.ok:
            return answer
        metadata = self._decode(_owned_heads, answer).metadata
        # The version guards the list as a whole.
        patch = {
            "metadata": {
                "ownerReferences": [
                    owner
                    for owner in metadata.get("ownerReferences", ())
                    if owner.get("uid") != uid
                ]
                or None,
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        return await self._connection.request(
            "PATCH",
            f"{self.jobs_path}/{name}",
            body=msgspec.json.encode(patch),
            content_type=MERGE_PATCH,
        )

    async def _owned(self) -> dict[str, list[str]]:
        owned: defaultdict[str, list[str]] = defaultdict(list)
        async for job in self._list(self.jobs_path, RUN_SELECTOR, _job_pages):
            for owner in job.metadata.owner_references:
                owned[owner.uid].append(job.metadata.name)
        return owned

    async def _until_gone(self, key: RunKey, uid: str) -> None:
        backoff = Backoff(base=0.1, maximum=1.0)
        give_up = self._clock.monotonic() + self._patience
        while True:
            job = await self._get(key, whatever_its_end=True)
            if job is None or job.metadata.uid != uid:
                return
            if self._clock.monotonic() >= give_up:
                raise NotNowError(
                    f"Job {key.request_id} is being deleted, and its pods have not ended yet"
                )
            await self._clock.sleep(backoff.next())

    async def _list(
        self, path: str, selector: str, decoder: "msgspec.json.Decoder[_Page[T]]"
    ) -> AsyncIterator[T]:
        params = {"labelSelector": selector, "limit": str(_PAGE)}
        while True:
            answer = await self._connection.request("GET", path, params=params)
            if not answer.ok:
                raise self.refused(answer, f"list {path.rpartition('/')[2]}")
            page = self._decode(decoder, answer)
            for item in page.items or ():
                yield item
            if not page.metadata.continue_:
                return
            params["continue"] = page.metadata.continue_
            # A page is decoded in one go; others get their turn between two.
            await asyncio.sleep(0)

    def _decode(self, decoder: "msgspec.json.Decoder[T]", answer: Answer) -> T:
        try:
            return decoder.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise UnavailableError(
                f"{self._connection.origin}: no answer of an API server: {error}"
            ) from error


class _Owned(msgspec.Struct, frozen=True):
    metadata: dict[str, Any]


class _ListMeta(msgspec.Struct, frozen=True):
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct, Generic[T], frozen=True):
    metadata: _ListMeta
    items: list[T] | None = None


_owned_heads = msgspec.json.Decoder(_Owned)
_jobs = msgspec.json.Decoder(Job)
_job_pages = msgspec.json.Decoder(_Page[Job])
_pod_pages = msgspec.json.Decoder(_Page[Pod])
