"""One method of a part on one of its bad days, until a test lets it be over."""

import asyncio
from enum import StrEnum
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, TypeVar

from nexus_core.domain.errors import UnavailableError
from support.meddling import meddled

T = TypeVar("T")


class How(StrEnum):
    """The ways in which a part may fail whoever calls it."""

    REFUSES = "refuses"
    HANGS = "hangs, until its caller gives up"
    TOO_LATE = "does it, and answers after its caller gave up"
    LATE = "answers late, but in time"
    EMPTY_HANDED = "comes back empty-handed"


class Affliction:
    """What befalls a method between `begins` and `is_over`."""

    def __init__(self, method: str, how: How) -> None:
        self.method = method
        self.how = how
        self.befell = asyncio.Event()
        """Set once somebody was hit by it."""
        self.patience_ends = asyncio.Event()
        """Set by the test: who waits in vain gives up, and who answers late does so."""
        self._is_on = False

    def begins(self) -> None:
        self._is_on = True

    def is_over(self) -> None:
        self._is_on = False
        self.patience_ends.set()

    def befalls(self, part: T) -> T:
        """Return a part whose method is subject to this."""
        method = getattr(part, self.method)
        return meddled(part, **{self.method: self._around(method)})

    def _around(self, method: Any) -> Any:
        @wraps(method)
        def answer(*arguments: Any) -> Any:
            if self._is_on:
                self.befell.set()
                raise UnavailableError("on a bad day")
            return method(*arguments)

        @wraps(method)
        async def call(*arguments: Any, **more: Any) -> Any:
            if not self._is_on:
                return await method(*arguments, **more)
            self.befell.set()
            return await self._fail(method, arguments, more)

        return call if iscoroutinefunction(method) else answer

    async def _fail(self, method: Any, arguments: Any, more: Any) -> Any:
        match self.how:
            case How.REFUSES:
                raise UnavailableError("on a bad day")
            case How.HANGS:
                await self.patience_ends.wait()
                raise UnavailableError("did not answer in time")
            case How.TOO_LATE:
                await method(*arguments, **more)
                raise UnavailableError("did not answer in time")
            case How.LATE:
                await self.patience_ends.wait()
                return await method(*arguments, **more)
            case How.EMPTY_HANDED:
                return None if self.method.startswith("find") else ()
