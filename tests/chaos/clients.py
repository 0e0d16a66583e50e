"""Clients: each brings an order to its end, and remembers what it was told."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from chaos.history import Ending
from chaos.orders import Kind, Order, Sending
from chaos.outcome import ACTS, Outcome, bad_body
from chaos.world import World
from nexus_core.domain.names import RunKey

# For one call; a long poll is shorter. It is also how long a frozen service is waited for.
_TIMEOUT = aiohttp.ClientTimeout(total=8)
_LONG_POLL = "4s"

# Between two tries, unless the answer asks for a longer one.
_PAUSE = 0.4

_AGAIN = frozenset({0, 429, 500, 502, 503, 504})
"""Answers after which a client tries again; 0: none."""


class Answer(NamedTuple):
    """What came of a call."""

    status: int = 0
    """0: nobody answered."""
    body: bytes = b""
    retry_after: float = 0.0
    """Seconds."""


class Clients:
    """All clients of a load. They heed `Retry-After`: hundreds that do not would be the outage."""

    def __init__(self, world: World, session: aiohttp.ClientSession, seed: int) -> None:
        self._world = world
        self._session = session
        self._dice = random.Random(f"clients {seed}")  # noqa: S311 - no secret
        self.outcomes: list[Outcome] = []
        self.finished = 0
        """How many have been told the end of their runs."""

    @classmethod
    @asynccontextmanager
    async def open(cls, world: World, seed: int) -> AsyncIterator["Clients"]:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as session:
            yield cls(world, session, seed)

    async def serve(self, order: Order) -> None:
        """Bring an order to its end."""
        outcome = self._outcome(order)
        await self._submit(outcome)
        if (run := outcome.run) is None:
            return
        match order.kind:
            case Kind.IS_CANCELLED:
                await self._world.started(run)
                await asyncio.sleep(order.delay)
                await self._cancel(outcome)
            case Kind.IS_CANCELLED_EARLY:
                await self._cancel(outcome)
            case Kind.RACES_ITS_CANCELLATION:
                await asyncio.sleep(order.delay)
                await self._cancel(outcome)
            case Kind.LOSES_ITS_JOB:
                # Of a Job that is gone before it was recorded, nobody could know that it was there.
                await self._asks(run, lambda stage: stage != "BUFFERED")
                await self._world.started(run)
                await asyncio.sleep(order.delay)
                await self._world.delete_job(run)
            case Kind.LOSES_ITS_POD:
                await self._world.started(run)
                await asyncio.sleep(order.delay)
                await self._world.kill_pod(run)
            case Kind.IS_CANCELLED_WITH_CHILDREN | Kind.LEAVES_ORPHANS:
                await self._with_children(outcome, run)
        await self._awaits_end(outcome)

    async def _with_children(self, parent: Outcome, run: RunKey) -> None:
        """Let a run have two children, one of which goes on for long, and cancel it."""
        await self._world.started(run)
        orphans = parent.order.kind is Kind.LEAVES_ORPHANS
        acts = ["complete", "complete" if orphans else "linger"]
        children = [
            self._outcome(parent.order, parent, number, act) for number, act in enumerate(acts)
        ]
        for child in children:
            await self._submit(child)
        await asyncio.sleep(parent.order.delay)
        await self._cancel(parent, "Orphan" if orphans else "Background")
        for child in children:
            await self._awaits_end(child)

    def _outcome(
        self, order: Order, parent: Outcome | None = None, number: int = 0, act: str = ""
    ) -> Outcome:
        outcome = Outcome(
            order=order,
            label=f"{order.label}.{number}" if parent else order.label,
            keyed=order.sending in {Sending.KEYED, Sending.AT_ONCE},
            parent=parent,
            act=act or ACTS[order.kind],
        )
        self.outcomes.append(outcome)
        return outcome

    # Sending.

    async def _submit(self, outcome: Outcome) -> None:
        match outcome.order.sending:
            case Sending.AT_ONCE:
                await asyncio.gather(*(self._insist(outcome) for _ in range(3)))
            case Sending.KEYED:
                await self._insist(outcome)
            case Sending.BARE:
                self._note(outcome, await self._send(outcome))
            case Sending.LEAVING:
                await self._send_and_leave(outcome)

    async def _insist(self, outcome: Outcome) -> None:
        """Send a request until it is answered for good, now to this scheduler, now to that."""
        self._note(outcome, await _answered(lambda: self._send(outcome)))

    async def _send(self, outcome: Outcome) -> Answer:
        headers = {"Idempotency-Key": outcome.label} if outcome.keyed else {}
        return await self._call(
            "POST", self._path_of(outcome), data=self._body_of(outcome), headers=headers
        )

    def _note(self, outcome: Outcome, answer: Answer) -> None:
        if answer.status == 202:
            outcome.answers.append(json.loads(answer.body)["requestId"])
        elif answer.status not in _AGAIN:
            outcome.refusal = answer.status

    async def _send_and_leave(self, outcome: Outcome) -> None:
        """Send a request and go away, before it is answered or just then."""
        url = urlsplit(self._scheduler())
        body = self._body_of(outcome)
        head = (
            f"POST {self._path_of(outcome)} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(4):
                _, writer = await asyncio.open_connection(url.hostname, url.port)
                writer.write(head.encode() + body)
                await writer.drain()
                await asyncio.sleep(self._dice.uniform(0, 0.02))
                writer.transport.abort()
        except (OSError, TimeoutError):
            pass  # it would have gone away in any case

    def _path_of(self, outcome: Outcome) -> str:
        dry = "?dryRun=true" if outcome.order.kind is Kind.IS_DRY else ""
        return f"/algorithm/run/{outcome.algorithm}{dry}"

    def _body_of(self, outcome: Outcome) -> bytes:
        order = outcome.order
        act = outcome.act
        if act == "complete" and order.twice:
            act = "complete-twice"
        parameters = {"label": outcome.label, "act": act, "pause": str(order.pause)}
        body: dict[str, Any] = {"algorithmParameters": parameters, "tag": outcome.label}
        if outcome.parent is not None and (run := outcome.parent.run) is not None:
            body["parentRequest"] = {"requestId": run.request_id, "algorithmName": run.algorithm}
        # Without spaces: the shell that reads it knows no JSON.
        sound = json.dumps(body, separators=(",", ":")).encode()
        return bad_body(sound, order.number) if order.kind is Kind.IS_BAD else sound

    # Asking, and cancelling.

    async def _cancel(self, outcome: Outcome, policy: str = "Background") -> None:
        """Cancel a run, until that is answered for good."""
        if (run := outcome.run) is None:
            return
        path = f"/algorithm/cancel/{run.algorithm}/requests/{run.request_id}"
        body = {"initiator": outcome.label, "reason": "chaos", "cancellationPolicy": policy}
        answer = await _answered(lambda: self._call("POST", path, json=body))
        outcome.cancelled = answer.status == 200
        outcome.came_too_late = answer.status == 409
        if answer.status not in {200, 409}:
            outcome.refusal = answer.status

    async def _awaits_end(self, outcome: Outcome) -> None:
        """Ask for the result until the run has finished; fetch it where there is one."""
        if (run := outcome.run) is None:
            return
        known = await self._asks(run, lambda stage: Ending(stage=stage).finished, _LONG_POLL)
        outcome.told.append(Ending(stage=known["status"], cause=known.get("runErrorMessage", "")))
        if outcome.act == "upload" and known["status"] == "COMPLETED":
            await self._fetch(outcome, known["resultUri"])
        self.finished += 1

    async def _asks(
        self, run: RunKey, enough: Callable[[str], bool], wait: str = "0s"
    ) -> dict[str, Any]:
        """Ask what became of a run until its stage is good enough; return the whole answer."""
        path = f"/algorithm/results/{run.algorithm}/requests/{run.request_id}?wait={wait}"
        while True:
            answer = await self._call("GET", path)
            if answer.status == 200:
                known: dict[str, Any] = json.loads(answer.body)
                if enough(known["status"]):
                    return known
            await _pause_after(answer)

    async def _fetch(self, outcome: Outcome, url: str) -> None:
        answer = await _answered(lambda: self._exchange("GET", url))
        fetched = answer.status == 200
        outcome.results.append(answer.body.decode() if fetched else f"status {answer.status}")

    async def _call(self, method: str, path: str, **how: Any) -> Answer:
        return await self._exchange(method, self._scheduler() + path, **how)

    async def _exchange(self, method: str, url: str, **how: Any) -> Answer:
        try:
            async with self._session.request(method, url, **how) as answer:
                retry_after = float(answer.headers.get("Retry-After", 0))
                return Answer(answer.status, await answer.read(), retry_after)
        except (aiohttp.ClientError, TimeoutError):
            return Answer()

    def _scheduler(self) -> str:
        """Return the one that the load balancer happens to choose."""
        known: Sequence[str] = self._world.schedulers
        return self._dice.choice(known)


async def _answered(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Call until that is answered for good."""
    while (answer := await call()).status in _AGAIN:
        await _pause_after(answer)
    return answer


async def _pause_after(answer: Answer) -> None:
    """Wait as long as a client does before it tries again."""
    await asyncio.sleep(max(_PAUSE, answer.retry_after))
