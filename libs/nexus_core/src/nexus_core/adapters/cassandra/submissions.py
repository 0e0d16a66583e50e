"""Idempotency keys: which run holds one.

A claim is a row that names a run. It counts once that run is there, and only then, so there is no
second state to keep in step: whoever meets a claim looks for its run. The row is written by
transactions alone, and the run behind a claim by one, too:

1. claim the key for the run; somebody else's claim is looked into first
2. write the run, unless a fence is in its place
3. a run that is there holds the key

Who meets a claim without a run waits for it a while, as its scheduler may be at step 2, then puts a
fence in the run's place and takes the claim over. The slow one finds the fence at step 2, and
begins anew as one that came second. So no key ever has two runs, and no claim blocks for ever.
"""

import asyncio
from datetime import datetime, timedelta
from math import ceil
from typing import cast

from msgspec import Struct

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.fences import fence_row, is_fence
from nexus_core.adapters.cassandra.rows import whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Value
from nexus_core.domain.checkpoint import IdempotencyKey
from nexus_core.domain.errors import ConflictError, UnavailableError
from nexus_core.domain.names import RunKey
from nexus_core.ports.clock import Clock

_OUTLIVES = timedelta(minutes=10)
"""How long after it has expired a claim is kept: the clocks of server and schedulers may differ."""

_LONGEST_LIFE = 20 * 365 * 24 * 3600
"""Seconds; what servers take."""

_POLL = 0.05
"""Seconds between two looks for the run of somebody else's claim."""

_TRIES = 8
"""How often a claim is tried that others take in the same moment."""


_Found = tuple[str, str, datetime]
"""A claim as it stands in its row: run, fingerprint, expiry."""


class Claim(Struct, frozen=True):
    """A row of a key."""

    holder: str
    """Id of the run that it was claimed for."""
    mine: bool
    """Whether that is the run that asks."""
    fresh: bool = False
    """Whether it was surely this call that claimed it."""


class Submissions:
    """Claims keys for runs.

    `patience` is how long another's claim may be without its run, in seconds.
    """

    def __init__(self, session: CqlSession, clock: Clock, patience: float) -> None:
        self._session = session
        self._clock = clock
        self._patience = patience

    async def claim(self, run: RunKey, key: IdempotencyKey) -> Claim:
        """Claim a key for a run, or return the claim of a run that is there.

        Raises:
            ConflictError: a run that is there holds the key under another fingerprint.
            UnavailableError: it is unknown who holds the key.
        """
        for _ in range(_TRIES):
            found = await self._insert(run, key)
            if isinstance(found, Claim):
                return found
            holder, fingerprint, expires_at = found
            if expires_at <= self._clock.now():
                if await self._take_over(run, key, found):
                    return Claim(run.request_id, mine=True, fresh=True)
                continue
            if holder == run.request_id:
                return Claim(holder, mine=True)
            other = RunKey(key.algorithm, holder)
            if await self._appears(other) or not await self._fence(other):
                _check(fingerprint, key)
                return Claim(holder, mine=False)
            if await self._take_over(run, key, found):
                return Claim(run.request_id, mine=True, fresh=True)
        raise UnavailableError("this idempotency key is in great demand", retry_after=1.0)

    async def holder(self, key: IdempotencyKey) -> str | None:
        """Return the id of the run that holds a key; None when there is none, or it has expired.

        Raises:
            ConflictError: the key is held under another fingerprint.
        """
        rows = await self._session.execute(statements.FIND_CLAIM, (key.algorithm, key.key))
        if not rows:
            return None
        holder, fingerprint, expires_at = cast("_Found", rows[0])
        if expires_at <= self._clock.now():
            return None
        if not await self._exists(RunKey(key.algorithm, holder)):
            return None
        _check(fingerprint, key)
        return holder

    async def release(self, run: RunKey, key: IdempotencyKey) -> None:
        """Give a claim up, if it is still the run's. Idempotent."""
        values = (key.algorithm, key.key, run.request_id)
        await self._session.apply(statements.RELEASE_CLAIM, values)

    async def _insert(self, run: RunKey, key: IdempotencyKey) -> Claim | _Found:
        """Claim a key that is free, or return the row that is there."""
        expires_at = whole_millis(key.expires_at)
        values = (key.algorithm, key.key, key.fingerprint, run.request_id, expires_at)
        try:
            outcome = await self._session.apply(statements.CLAIM, (*values, self._life(key)))
        except OutcomeUnknownError:
            of_key = (key.algorithm, key.key)
            rows = await self._session.execute(statements.FIND_CLAIM_SERIALLY, of_key)
            if not rows:
                raise
            return cast("_Found", rows[0])
        if outcome.applied:
            return Claim(run.request_id, mine=True, fresh=True)
        return cast(
            "_Found",
            tuple(outcome.current[name] for name in ("request_id", "fingerprint", "expires_at")),
        )

    async def _take_over(self, run: RunKey, key: IdempotencyKey, found: _Found) -> bool:
        holder, _, expires_at = found
        mine = (key.fingerprint, run.request_id, whole_millis(key.expires_at))
        of_key = (key.algorithm, key.key)
        values: tuple[Value, ...] = (self._life(key), *mine, *of_key, holder, expires_at)
        try:
            return (await self._session.apply(statements.TAKE_CLAIM_OVER, values)).applied
        except OutcomeUnknownError:
            # The next try finds out: the claim is ours by then, or somebody's.
            return False

    async def _appears(self, run: RunKey) -> bool:
        """Wait for a run; false when it is not there in time.

        By the event loop's clock: what is waited for is another process, not a time of day.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._patience
        while not await self._exists(run):
            if loop.time() >= until:
                return False
            await asyncio.sleep(_POLL)
        return True

    async def _exists(self, run: RunKey) -> bool:
        values = (run.algorithm, run.request_id)
        rows = await self._session.execute(statements.FIND_STAGE_AND_CAUSE, values)
        return bool(rows) and not is_fence(*rows[0])

    async def _fence(self, run: RunKey) -> bool:
        """Put a fence in the place of a run; false when the run has come after all.

        Raises:
            OutcomeUnknownError: it is unknown; repeating is harmless.
        """
        row = fence_row(run, whole_millis(self._clock.now()))
        outcome = await self._session.apply(statements.INSERT_CHECKPOINT_ONCE, row)
        current = outcome.current
        return outcome.applied or is_fence(
            current.get("lifecycle_stage"), current.get("algorithm_failure_cause")
        )

    def _life(self, key: IdempotencyKey) -> int:
        """Return for how many seconds the server is to keep a claim."""
        left = key.expires_at - self._clock.now() + _OUTLIVES
        return min(max(1, ceil(left.total_seconds())), _LONGEST_LIFE)


def _check(fingerprint: str, key: IdempotencyKey) -> None:
    if fingerprint != key.fingerprint:
        raise ConflictError("this idempotency key was used with another request")
