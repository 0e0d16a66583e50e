"""Answers from the threads of a driver to waiters on the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeVar

T = TypeVar("T")

Settle = Callable[[], None]


class Bridge:
    """Wakes the loop once for all answers that came since it last looked.

    Waking it for each would cost a write to its socket, and a pass of the loop, for each.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._settled: deque[Settle] = deque()
        self._woken = False

    def answer(self, answer: T, waiter: "asyncio.Future[T]") -> None:
        """Give a waiter its answer. From any thread; harmless when it waits no longer."""
        self._pass_on(partial(_answer, waiter, answer))

    def fail(self, error: Exception, waiter: "asyncio.Future[T]") -> None:
        """Give a waiter its error, likewise."""
        self._pass_on(partial(_fail, waiter, error))

    def _pass_on(self, settle: Settle) -> None:
        # First the answer, then the look: the loop looks away first and then takes all there is, so
        # that one of the two sees the other.
        self._settled.append(settle)
        if not self._woken:
            self._woken = True
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._settle_all)

    def _settle_all(self) -> None:
        self._woken = False
        while self._settled:
            self._settled.popleft()()


def _answer(waiter: "asyncio.Future[T]", answer: T) -> None:
    if not waiter.done():
        waiter.set_result(answer)


def _fail(waiter: "asyncio.Future[T]", error: Exception) -> None:
    if not waiter.done():
        waiter.set_exception(error)
