"""Open runs that schedulers of another implementation accepted into the shared tables.

They file nothing with ours, so a sweep would never see their runs. While such schedulers are still
there, whoever sweeps looks for their runs now and then, and files them. Off unless asked for: what
is looked through, an index on the stage or the table by host, collects the traces of every run, and
slows down with them.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import timedelta
from typing import Protocol, cast

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.filing import Filing
from nexus_core.adapters.cassandra.merged_pages import Entry
from nexus_core.adapters.cassandra.open_runs import OpenRuns
from nexus_core.adapters.cassandra.rows import is_left_over, open_run_of
from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.domain.checkpoint import OpenRun
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import OPEN_STAGES
from nexus_core.ports.clock import Clock

_EVERY = 60.0
"""Seconds between two looks. A run of theirs is as late as that before it is helped."""

_JOBLESS_FOR = timedelta(minutes=10)
"""After it was received, a run without a Job will get none: it may be settled in any cluster."""

_PAGE = 200
"""Runs looked at together."""

Pages = AsyncIterator[list[tuple[str, RunKey]]]
"""Hosts and runs that may be open, a page at a time."""


class Strangers(Protocol):
    """Finds runs by what those others write of them."""

    def pages(self, ours: frozenset[str]) -> Pages:
        """Go through runs that may be open and that none of these owners accepted."""


class StrangersByIndex:
    """Finds runs by the secondary index on the stage."""

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    async def pages(self, ours: frozenset[str]) -> Pages:
        """Go through runs that are open and that none of these owners accepted."""
        for stage in sorted(OPEN_STAGES):
            found = self._session.pages(statements.FIND_BY_STAGE, (stage.value,), page_size=_PAGE)
            async for page in found:
                rows = cast("list[tuple[str, str, str | None]]", page)
                yield [
                    (host or "", RunKey(algorithm, id_))
                    for algorithm, id_, host in rows
                    if host not in ours
                ]


class StrangersByTable:
    """Finds runs in the table by host, some of which have left the stage it has them in."""

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    async def pages(self, ours: frozenset[str]) -> Pages:
        """Go through runs that were open once and that none of these owners accepted."""
        async for page in self._session.pages(statements.FIND_HOSTS, page_size=_PAGE):
            for host, stage in cast("list[tuple[str, str]]", page):
                if host in ours or stage not in OPEN_STAGES:
                    continue
                found = self._session.pages(statements.FIND_BY_HOST, (host, stage), page_size=_PAGE)
                async for rows in found:
                    yield [(host, RunKey(*cast("tuple[str, str]", row))) for row in rows]


class Adopter:
    """Files the runs of strangers, each once."""

    def __init__(
        self,
        session: CqlSession,
        clock: Clock,
        *,
        open_runs: OpenRuns,
        filing: Filing,
        strangers: Strangers,
    ) -> None:
        self._session = session
        self._clock = clock
        self._open_runs = open_runs
        self._filing = filing
        self._strangers = strangers
        self._due: dict[str, float] = {}

    async def adopt(self, cluster: str) -> None:
        """File those for a cluster, if it is time. Safe to interrupt, and to do twice at once."""
        now = self._clock.monotonic()
        if now < self._due.get(cluster, now):
            return
        self._due[cluster] = now + _EVERY
        rows = await self._session.execute(statements.FIND_LEASES)
        ours = frozenset(str(row[0]) for row in rows)
        filed: dict[str, set[RunKey]] = {}
        async for page in self._strangers.pages(ours):
            by_host: dict[str, list[RunKey]] = defaultdict(list)
            for host, key in page:
                by_host[host].append(key)
            for host, keys in by_host.items():
                if host not in filed:
                    filed[host] = await self._open_runs.keys_of(cluster, host)
                await self._file(cluster, host, set(keys) - filed[host])
                filed[host].update(keys)

    async def _file(self, cluster: str, host: str, keys: Iterable[RunKey]) -> None:
        looked_at = await asyncio.gather(*(self._look(cluster, key) for key in keys))
        entries = [
            Entry(run.received_at, run.key.request_id, run.key.algorithm)
            for run in looked_at
            if run is not None
        ]
        if entries:
            await self._filing.file(cluster, host, sorted(entries))

    async def _look(self, cluster: str, key: RunKey) -> OpenRun | None:
        """Return a run if it is open and to be filed for a cluster."""
        values: Sequence[str] = (key.algorithm, key.request_id)
        rows, jobs = await asyncio.gather(
            self._session.execute(statements.FIND_OPEN_RUN, values),
            self._session.execute(statements.FIND_JOB, values),
        )
        if not rows or is_left_over(rows[0]):
            return None
        run = open_run_of(rows[0])
        if jobs:
            wanted = jobs[0][0] == cluster
        else:
            wanted = self._clock.now() - run.received_at >= _JOBLESS_FOR
        return run if wanted and not run.stage.finished else None
