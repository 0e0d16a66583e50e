"""Makers of what clusters and stores tell of a run."""

from typing import Any

import msgspec

from nexus_core.domain.checkpoint import OpenRun
from nexus_core.domain.names import RunKey
from nexus_core.domain.observation import JobPhase, JobStatus, PodPhase, PodStatus
from nexus_core.domain.stages import Stage
from support.runs import LONG_AGO

KEY = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001")


def a_job_status(phase: JobPhase, **changes: Any) -> JobStatus:
    status = JobStatus(key=KEY, uid="uid-1", phase=phase, created_at=LONG_AGO)
    return msgspec.structs.replace(status, **changes)


def a_pod_status(phase: PodPhase = PodPhase.PENDING, **changes: Any) -> PodStatus:
    status = PodStatus(
        uid="pod-1", name=f"{KEY.request_id}-abcde", phase=phase, created_at=LONG_AGO
    )
    return msgspec.structs.replace(status, **changes)


def an_open_run(stage: Stage, **changes: Any) -> OpenRun:
    run = OpenRun(
        key=KEY,
        stage=stage,
        owner="scheduler-0",
        received_at=LONG_AGO,
        sent_at=None,
        last_modified=LONG_AGO,
        job_uid="",
    )
    return msgspec.structs.replace(run, **changes)
