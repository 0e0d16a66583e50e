"""Wrapping the parts of a service: each call is recorded, and subject to what is wrong just now."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from datetime import datetime, timedelta
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, TypeVar, cast

from chaos.control import Control, Mode
from chaos.history import Changed, Ending, JobMade, Recorder, now
from nexus_core.aio.clock import SystemClock
from nexus_core.domain.checkpoint import Acceptance, BufferedJob, Checkpoint, IdempotencyKey
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobHandle
from nexus_core.domain.stages import Advance, StageChange
from nexus_core.ports.checkpoint_store import CheckpointStore
from nexus_core.ports.cluster import Cluster
from nexus_core.ports.scheduler_callback import SchedulerCallback
from support.meddling import meddled

P = TypeVar("P")


class JumpingClock(SystemClock):
    """The real clock, but for the wall clock's time, which is as far ahead as somebody set it."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def now(self) -> datetime:
        """Return the wall clock's time in UTC."""
        return super().now() + timedelta(seconds=self._control.state().clock_offset)


class Meddler:
    """Stands between a service and its parts."""

    def __init__(
        self, name: str, control: Control, recorder: Recorder, dice: random.Random
    ) -> None:
        self._name = name
        self._control = control
        self._recorder = recorder
        self._dice = dice
        self._accepted: set[RunKey] = set()

    def store(self, store: CheckpointStore) -> CheckpointStore:
        """Return a store whose applied changes are recorded before anybody is told of them."""

        async def accept(
            checkpoint: Checkpoint, job: BufferedJob | None, key: IdempotencyKey | None = None
        ) -> Acceptance:
            acceptance = await store.accept(checkpoint, job, key)
            # To repeat it is allowed, and tells nothing new.
            if not acceptance.replayed and checkpoint.key not in self._accepted:
                self._accepted.add(checkpoint.key)
                self._changed(checkpoint.key, Ending(stage=checkpoint.lifecycle_stage))
            return acceptance

        async def advance(key: RunKey, change: StageChange) -> Advance:
            answer = await store.advance(key, change)
            if answer.applied:
                self._changed(
                    key,
                    Ending(
                        stage=change.to,
                        cause=change.cause,
                        details=change.details,
                        result_uri=change.result_uri,
                    ),
                )
            return answer

        return self.part("store", meddled(store, accept=accept, advance=advance))

    def cluster(self, cluster: Cluster) -> Cluster:
        """Return a cluster the creation of whose Jobs is recorded."""

        async def create_job(
            key: RunKey, manifest: bytes, send_by: float | None = None
        ) -> JobHandle:
            handle = await cluster.create_job(key, manifest, send_by)
            self._recorder.write(JobMade(at=now(), by=self._name, run=key, uid=handle.uid))
            return handle

        return self.part("cluster", meddled(cluster, create_job=create_job))

    def callback(self, callback: SchedulerCallback) -> SchedulerCallback:
        """Return a call back that may say nothing, or everything twice."""

        def finished(key: RunKey) -> None:
            mode = self._befalls("callback")
            if mode is not Mode.DROPS:
                callback.finished(key)
            if mode is Mode.DOUBLES:
                callback.finished(key)

        return meddled(callback, finished=finished)

    def part(self, name: str, part: P) -> P:
        """Return a part that is in trouble whenever the control says so."""
        return cast("P", _Troubled(part, name, self))

    async def before(self, part: str) -> Mode | None:
        """Let happen what happens before a call; return what befalls it.

        Raises:
            UnavailableError: the part refuses.
        """
        mode = self._befalls(part)
        if mode is Mode.REFUSES:
            raise UnavailableError(f"chaos: the {part} refuses")
        if mode is Mode.SLOW:
            delay = self._control.state().troubles[part].delay
            await asyncio.sleep(self._dice.uniform(0, delay))
        return mode

    def _befalls(self, part: str) -> Mode | None:
        trouble = self._control.state().troubles.get(part)
        if trouble is None or self._dice.random() >= trouble.share:
            return None
        return trouble.mode

    def _changed(self, key: RunKey, ending: Ending) -> None:
        self._recorder.write(Changed(at=now(), by=self._name, run=key, ending=ending))


class _Troubled:
    """Stands for any port; what does not wait is handed on as it is."""

    def __init__(self, part: object, name: str, meddler: Meddler) -> None:
        self._part = part
        self._name = name
        self._meddler = meddler

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)
        if iscoroutinefunction(method):
            return self._call(method)
        return self._stream(method) if isasyncgenfunction(method) else method

    def _call(self, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        @wraps(method)
        async def call(*arguments: Any, **more: Any) -> Any:
            mode = await self._meddler.before(self._name)
            answer = await method(*arguments, **more)
            # What comes or goes bit by bit can be had once.
            once = method.__name__ == "get" or any(hasattr(each, "__aiter__") for each in arguments)
            if mode is Mode.LATE and not once:
                raise UnavailableError(f"chaos: the answer of the {self._name} got lost")
            if mode is Mode.DOUBLES and not once:
                await method(*arguments, **more)
            return answer

        return call

    def _stream(self, method: Callable[..., AsyncGenerator[Any, None]]) -> Callable[..., Any]:
        @wraps(method)
        async def stream(*arguments: Any, **more: Any) -> AsyncGenerator[Any, None]:
            await self._meddler.before(self._name)
            async with aclosing(method(*arguments, **more)) as items:
                async for item in items:
                    yield item
                    if await self._meddler.before(self._name) is Mode.DOUBLES:
                        yield item

        return stream
