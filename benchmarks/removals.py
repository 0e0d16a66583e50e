"""What it costs to remove the records of finished runs, and what others feel of it."""

import asyncio
import statistics
import time
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from benchmarks.sweeps import RunMaker, SweptStore
from nexus_core.settings.values import Duration
from nexus_supervisor.metrics import RemovalMetrics
from nexus_supervisor.removals import Removals
from nexus_supervisor.retire import Retirer
from nexus_supervisor.settings import Retention

_ACCEPTS = 500
_BETWEEN_ACCEPTS = 0.002
"""Seconds; some hundred accepts a second."""


class RemovalCost(NamedTuple):
    """Of a round, and of a run."""

    idle_milliseconds: float
    """Of a round that finds nothing to remove."""
    idle_queries: int
    removed: int
    rate: float
    """Records a second."""
    cpu: Mapping[str, float]
    """Microseconds of CPU time a record, by whose it is."""
    accept_alone: float
    """Milliseconds of an accept, the 99th percentile of several hundred a second."""
    accept_beside: float
    """The same while records are removed."""


async def measure_removal(store: SweptStore, records: int) -> RemovalCost:
    """Remove so many records of finished runs, which the store must have, the first first."""
    idle_seconds, idle_queries = await _idle(store)
    alone = await _accepts(store)
    used, began = store.cpu(), time.perf_counter()
    removed = await _remove(store, records)
    seconds, after = time.perf_counter() - began, store.cpu()
    beside_task = asyncio.create_task(_remove_until_cancelled(store), name="removal")
    beside = await _accepts(store)
    beside_task.cancel()
    await asyncio.gather(beside_task, return_exceptions=True)
    return RemovalCost(
        idle_milliseconds=idle_seconds * 1e3,
        idle_queries=idle_queries,
        removed=removed,
        rate=removed / seconds,
        cpu={name: (after[name] - used[name]) / removed * 1e6 for name in after},
        accept_alone=alone,
        accept_beside=beside,
    )


async def _idle(store: SweptStore) -> tuple[float, int]:
    """Make rounds that find nothing: all is kept for years."""
    years = Duration(3 * 365 * 24 * 3600)
    settings = Retention(buffered_jobs=years, payloads=years, results=years, records=years)
    metrics = RemovalMetrics(CollectorRegistry())
    retirer = Retirer(store.parts, Removals(store.parts, settings.parallel), settings, metrics)
    await retirer.retire()  # the first remembers where it begins
    times, asked = list[float](), 0
    for _ in range(5):
        before, began = store.queries(), time.perf_counter()
        await retirer.retire()
        times.append(time.perf_counter() - began)
        asked = store.queries() - before
    return statistics.median(times), asked


async def _remove(store: SweptStore, records: int) -> int:
    retention, portion = store.stores.retention, Retention().portion
    removed, place = 0, None
    while removed < records:
        page = await retention.ended(store.clock.now(), portion, place)
        if not page:
            break
        await retention.remove_records([ending.key for ending in page])
        removed, place = removed + len(page), page[-1].place
    return removed


async def _remove_until_cancelled(store: SweptStore) -> None:
    while await _remove(store, Retention().portion):
        pass


async def _accepts(store: SweptStore) -> float:
    """Accept one run after the other; return the 99th percentile of the times it took, in ms."""
    maker = await RunMaker.make()
    times = list[float]()
    for run in maker.runs(_ACCEPTS, store.clock.now()):
        began = time.perf_counter()
        await store.stores.store.accept(run.checkpoint, run.job)
        times.append(time.perf_counter() - began)
        await asyncio.sleep(_BETWEEN_ACCEPTS)
    return statistics.quantiles(times, n=100)[-1] * 1e3
