"""A thread with a connection of its own, reached through a queue.

SQLite's driver blocks, so it is kept off the event loop. What has come while a batch was served is
the next batch: under load that makes one commit of many writes, and one wake-up of the event loop
for all who wait for them.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from nexus_core.adapters.sqlite.batches import Operation, Outcome, Serve
from nexus_core.adapters.sqlite.errors import translated
from nexus_core.domain.errors import OverloadedError, UnavailableError

T = TypeVar("T")

_Waiting = tuple[Operation[Any], asyncio.Future[Any]]

# Bounds how long one transaction keeps other processes out, some 20 ms, and how long its first
# operation waits for its last. Far more than it takes to make the cost of a sync vanish.
_MAX_BATCH = 512

# More than any limit on concurrent requests lets in; reached when the disk stands still.
_MAX_WAITING = 20_000

_logger = structlog.get_logger()


class Lane:
    """Runs operations in the order they come, batch by batch, in one thread.

    Belongs to the event loop that opened it. Idle, its thread sleeps in the queue.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        serve: Serve,
        answer_seconds: float,
    ) -> None:
        self._path = path
        self._name = name
        self._connect = connect
        self._serve = serve
        self._answer_seconds = answer_seconds
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closing = False
        # A daemon, so that a process that forgot to close, or could not, still ends.
        self._thread = threading.Thread(target=self._work, name=f"sqlite-{name}", daemon=True)

    async def open(self) -> None:
        """Start the thread and return when its connection is open; `close` must follow anyway."""
        self._thread.start()
        # Not `_in_time`, which settles the future itself: this one is the thread's to settle.
        await asyncio.wait([self._opened], timeout=self._answer_seconds)
        if not self._opened.done():
            raise self._late()
        self._opened.result()

    async def run(self, operation: Operation[T]) -> T:
        """Return the result of an operation. Cancelling the wait does not take it back.

        Raises:
            UnavailableError: SQLite refused, or did not answer in time, or the lane is closed.
        """
        if self._closing:
            raise UnavailableError(f"{self._path} is closed")
        if self._queue.qsize() >= _MAX_WAITING:
            raise OverloadedError(f"too much waits for {self._path}", retry_after=1.0)
        answer: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((operation, answer))
        return await self._in_time(answer)

    async def close(self) -> None:
        """Serve what waits, then close the connection and end the thread. Idempotent.

        When the wait is cut off the thread still does all that, in its own time.
        """
        if self._thread.ident is None:
            return
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        try:
            async with asyncio.timeout(self._answer_seconds):
                await asyncio.shield(self._ended)
        except TimeoutError:
            _logger.warning("sqlite did not close in time", path=str(self._path), lane=self._name)
        else:
            self._thread.join()

    async def _in_time(self, answer: asyncio.Future[T]) -> T:
        # A bare timer: `asyncio.timeout` would add 2 us to the 45 us that an accept costs.
        overdue = self._loop.call_later(self._answer_seconds, self._give_up, answer)
        try:
            return await answer
        finally:
            overdue.cancel()

    def _give_up(self, answer: asyncio.Future[Any]) -> None:
        _resolve(answer, self._late())

    def _late(self) -> UnavailableError:
        message = f"{self._path} did not answer within {self._answer_seconds:g} s"
        return UnavailableError(message, retry_after=1.0)

    def _work(self) -> None:
        try:
            self._serve_until_closed()
        finally:
            self._tell(_resolve, self._ended, None)

    def _serve_until_closed(self) -> None:
        try:
            connection = self._connect()
        except Exception as error:  # noqa: BLE001 - whatever it is, who opens must hear of it
            self._tell(_resolve, self._opened, error)
            return
        try:
            cursor = connection.cursor()
            self._tell(_resolve, self._opened, None)
            while batch := self._next_batch():
                outcomes = self._serve(cursor, [operation for operation, _ in batch])
                self._tell(self._settle, batch, outcomes)
        finally:
            connection.close()

    def _next_batch(self) -> list[_Waiting]:
        """Wait for something to do; nothing means that nothing more will come."""
        first = self._queue.get()
        if first is None:
            return []
        batch = [first]
        with suppress(queue.Empty):
            while len(batch) < _MAX_BATCH:
                waiting = self._queue.get_nowait()
                if waiting is None:
                    self._queue.put(None)  # for the next turn; nothing follows it
                    break
                batch.append(waiting)
        return batch

    def _tell(self, callback: Callable[..., None], *args: object) -> None:
        # A loop that was closed first has nobody left who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *args)

    def _settle(self, batch: list[_Waiting], outcomes: list[Outcome]) -> None:
        for (_, answer), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, sqlite3.Error):
                _resolve(answer, _caused_by(outcome, self._path))
            else:
                _resolve(answer, outcome)


def _caused_by(error: sqlite3.Error, path: Path) -> Exception:
    # A new one for each who waits: each raises it through a traceback of its own.
    meaning = translated(error, path)
    meaning.__cause__ = None if meaning is error else error
    return meaning


def _resolve(future: asyncio.Future[Any], outcome: Outcome) -> None:
    if future.done():  # whoever waited has gone
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
