"""Which Jobs a Job owns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

ListOwned = Callable[[], Awaitable[Mapping[str, list[str]]]]
"""Returns the names of all Jobs that are owned, by the uid of their owner."""


class Offspring:
    """Answers from lists that were begun after they were asked for, each shared by all who wait.

    When a thousand runs fail at once, their thousand questions cost a list or two. What a watch has
    told is no answer: it may be behind by the very Job that matters.
    """

    def __init__(self, list_owned: ListOwned) -> None:
        self._list_owned = list_owned
        self._listing = asyncio.Lock()
        self._begun = 0
        self._answered = 0
        self._owned: Mapping[str, list[str]] = {}

    async def of(self, uid: str) -> list[str]:
        """Return the names of the Jobs that the Job of a uid owns.

        Raises:
            UnavailableError: they could not be listed.
        """
        # One that is under way may have passed a Job that came before this question.
        wanted = self._begun + 1
        async with self._listing:
            if self._answered < wanted:
                self._begun += 1
                self._owned = await self._list_owned()
                self._answered = self._begun
            return self._owned.get(uid, [])
