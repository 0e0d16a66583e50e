"""Taking in the bodies of runs: each within its bounds, all of them within some memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from nexus_core.domain.errors import OverloadedError
from nexus_core.web.bodies import read_body

# By then a store has mostly taken what is held.
_RETRY_AFTER_SECONDS = 2.0


class RunBodies:
    """The bodies that a scheduler holds while it makes their runs durable."""

    def __init__(self, largest: int, within: float, memory: int) -> None:
        """Hold none yet.

        Args:
            largest: the most bytes of one body.
            within: the most seconds that a client may take to send it.
            memory: the most bytes of all together; a body that is alone may be larger.
        """
        self._largest = largest
        self._within = within
        self._memory = memory
        self._held = 0

    @property
    def held(self) -> int:
        """Bytes held now. What has not arrived is not counted, whatever its head promises."""
        return self._held

    @asynccontextmanager
    async def body(self, request: web.Request) -> AsyncIterator[bytes]:
        """Read a body, and hold it until the run is accepted or refused.

        Raises:
            OverloadedError: those of others leave no room for it. One that tells its length is
                refused before it is read.
            BodyTooLargeError, BodyTooSlowError, InvalidInputError: as `read_body` has it.
        """
        own = 0

        def make_room(size: int) -> None:
            # Alone, a body is bounded by `largest`; else it would be refused for ever.
            if self._held > own and self._held + size > self._memory:
                raise OverloadedError(
                    "the requests of others fill the memory for them", _RETRY_AFTER_SECONDS
                )

        def take(size: int) -> None:
            nonlocal own
            make_room(size)
            own += size
            self._held += size

        promised = request.content_length or 0
        try:
            if promised <= self._largest:
                make_room(promised)
            yield await read_body(request, self._largest, self._within, take)
        finally:
            self._held -= own
