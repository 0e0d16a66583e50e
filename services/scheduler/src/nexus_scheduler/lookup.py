"""Answering what became of runs."""

from collections.abc import Callable, Sequence

from msgspec import UNSET

from nexus_core.aio.wake import woken
from nexus_core.domain.acceptance import payload_serialization
from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.errors import NotFoundError
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage
from nexus_core.operations.payload_places import PayloadPlaces
from nexus_core.ports.payload_store import Content, PayloadStore
from nexus_scheduler.client_urls import ClientUrls
from nexus_scheduler.errors import NoPayloadError
from nexus_scheduler.parts import SchedulerParts
from nexus_scheduler.waiters import Waiters
from nexus_scheduler.wire import RunResult

# A call back is lost when its sender dies, and goes to another scheduler than the one a client
# waits at; then the store is asked. Doubling from half a second keeps thousands of waiters cheap.
_FIRST_POLL = 0.5
_LONGEST_POLL = 5.0


class Lookup:
    """Reads runs for clients."""

    def __init__(self, parts: SchedulerParts, waiters: Waiters, urls: ClientUrls) -> None:
        self._store = parts.store
        self._index = parts.index
        self._payloads = parts.payloads
        self._places = PayloadPlaces(parts.payloads, parts.buffered_payloads)
        self._clock = parts.clock
        self._waiters = waiters
        self._urls = urls

    async def checkpoint(self, key: RunKey) -> Checkpoint:
        """Return what is recorded of a run.

        Raises:
            NotFoundError: there is no such run.
        """
        checkpoint = await self._store.find(key)
        if checkpoint is None:
            raise NotFoundError(f"there is no run {key}")
        return checkpoint

    async def result(
        self,
        key: RunKey,
        host: str,
        wait: float = 0.0,
        has_left: Callable[[], bool] = lambda: False,
    ) -> RunResult:
        """Return the result of a run; wait up to `wait` seconds for it to finish.

        `host` is where it was asked for, as the request says: the URL of the result is for there.
        `has_left` tells whether who asked is gone; then this ends too, seconds later at most.

        Raises:
            NotFoundError: there is no such run.
        """
        found = self._finished(key, wait, has_left) if wait else self.checkpoint(key)
        return await self._present(await found, host)

    async def tagged(self, tag: str, host: str) -> Sequence[RunResult]:
        """Return the results of all runs with a tag, newest first; `host` as for one."""
        found = await self._index.tagged(tag)
        return [await self._present(checkpoint, host, name_algorithm=True) for checkpoint in found]

    async def retag(self, key: RunKey, tag: str) -> None:
        """Give a run another tag.

        Raises:
            NotFoundError: there is no such run.
        """
        if not await self._store.retag(key, tag, self._clock.now()):
            raise NotFoundError(f"there is no run {key}")

    async def buffered_job(self, key: RunKey) -> BufferedJob:
        """Return the Job of a run as it was buffered.

        Raises:
            NotFoundError: there is none.
        """
        job = await self._store.find_job(key)
        if job is None:
            raise NotFoundError(
                f"there is no buffered Job of a run {key}: it had none, or its time is over"
            )
        return job

    async def payload_url(self, key: RunKey, host: str) -> str:
        """Return a URL to the payload that is valid from now on, for who asked at `host`.

        Raises:
            NotFoundError: there is no such run.
            NoPayloadError: no payload is stored for it.
            InvalidInputError: its URL can't be made here.
        """
        checkpoint = await self.checkpoint(key)
        if not checkpoint.payload_uri:
            raise NoPayloadError(f"no payload is stored for run {key}")
        payloads = self._places.of(payload_serialization(checkpoint.applied_configuration))
        if checkpoint.lifecycle_stage.finished and await self._is_gone(key, payloads):
            raise NoPayloadError(f"the payload of run {key} was removed: its time is over")
        return await self._urls.download(
            payloads, Content.PAYLOAD, key, host, checkpoint.content_hash
        )

    async def _is_gone(self, key: RunKey, payloads: PayloadStore) -> bool:
        """Tell whether a payload that was stored is there no more; asked of finished runs alone."""
        return await payloads.size(Content.PAYLOAD, key) is None

    async def _finished(self, key: RunKey, wait: float, has_left: Callable[[], bool]) -> Checkpoint:
        until = self._clock.monotonic() + wait
        poll = _FIRST_POLL
        # Registered before the first look: what happens in between is not missed.
        with self._waiters.waiting(key) as finished:
            while True:
                checkpoint = await self.checkpoint(key)
                left = until - self._clock.monotonic()
                if checkpoint.lifecycle_stage.finished or left <= 0 or self._waiters.closed:
                    return checkpoint
                await woken(finished, min(left, poll), self._clock)
                if has_left():
                    return checkpoint
                finished.clear()
                poll = min(2 * poll, _LONGEST_POLL)

    async def _present(
        self, checkpoint: Checkpoint, host: str, *, name_algorithm: bool = False
    ) -> RunResult:
        completed = checkpoint.lifecycle_stage is Stage.COMPLETED
        failed = checkpoint.lifecycle_stage.finished and not completed
        return RunResult(
            request_id=checkpoint.id,
            status=checkpoint.lifecycle_stage,
            result_uri=await self._result_url(checkpoint, host) if completed else "",
            run_error_message=checkpoint.algorithm_failure_cause if failed else "",
            algorithm_name=checkpoint.algorithm if name_algorithm else UNSET,
        )

    async def _result_url(self, checkpoint: Checkpoint, host: str) -> str:
        """Return the recorded URI, or a signed URL where it names what was uploaded here."""
        uri = checkpoint.result_uri
        if uri and uri == self._payloads.uri(Content.RESULT, checkpoint.key):
            return await self._urls.download(self._payloads, Content.RESULT, checkpoint.key, host)
        return uri
