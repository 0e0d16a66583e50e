"""The places for pods on this machine."""

import asyncio
import heapq


class Places:
    """Hands a bounded number of places to those who queue, by rank: the lowest comes first.

    A turn is a future: done means to have a place. Every turn must be given back with `leave`.
    """

    def __init__(self, count: int) -> None:
        self._free = count
        self._queue: list[tuple[int, int, asyncio.Future[None]]] = []
        self._asked = 0

    def queue(self, rank: int) -> asyncio.Future[None]:
        """Ask for a place."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked += 1
        heapq.heappush(self._queue, (rank, self._asked, turn))
        self._hand_out()
        return turn

    def occupy(self) -> asyncio.Future[None]:
        """Take a place for what runs already, whether there is one free or not."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.set_result(None)
        self._free -= 1
        return turn

    def leave(self, turn: asyncio.Future[None]) -> None:
        """Give up a turn: the place itself, or the wish for it."""
        if turn.done() and not turn.cancelled():
            self._free += 1
            self._hand_out()
        else:
            turn.cancel()

    def _hand_out(self) -> None:
        while self._free > 0 and self._queue:
            _, _, turn = heapq.heappop(self._queue)
            if not turn.done():
                turn.set_result(None)
                self._free -= 1
