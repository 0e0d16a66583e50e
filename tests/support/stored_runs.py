"""Runs as services leave them: in the store, and in the cluster where they have a Job."""

from typing import Any

from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.job_manifest import build_job, encode_job
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from support.jobs import a_job_order
from support.runs import a_checkpoint
from support.services import World


def a_real_job(checkpoint: Checkpoint, cluster: str = "standalone") -> BufferedJob:
    order = a_job_order(key=checkpoint.key, parent=checkpoint.parent)
    return BufferedJob(cluster, encode_job(build_job(order)))


async def store_run(world: World, stage: Stage = Stage.BUFFERED, **changes: Any) -> RunKey:
    """Record a run, received and last changed now unless told otherwise.

    One that is `RUNNING` has its Job in the cluster; one that has finished has none any more.
    """
    now = world.clock.now()
    first = stage if stage is Stage.NEW else Stage.BUFFERED
    times = {"received_at": now, "last_modified": now}
    checkpoint = a_checkpoint(**{**times, "lifecycle_stage": first, **changes})
    job = a_real_job(checkpoint, world.cluster.name)
    await world.stores.store.accept(checkpoint, job)
    if stage is Stage.RUNNING:
        handle = await world.cluster.create_job(checkpoint.key, job.manifest)
        change = StageChange(to=stage, at=now, sent_at=now, job_uid=handle.uid)
        await world.stores.store.advance(checkpoint.key, change)
    elif stage.finished:
        await world.stores.store.advance(checkpoint.key, StageChange(to=stage, at=now))
    return checkpoint.key
