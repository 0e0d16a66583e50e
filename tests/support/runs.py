"""Makers of domain values: sound by default, each field open to change."""

import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec

from nexus_core.domain.checkpoint import BufferedJob, Checkpoint
from nexus_core.domain.stages import Stage
from nexus_core.domain.template import (
    ComputeResources,
    Container,
    TemplateSpec,
    WorkgroupRef,
)

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def a_template_spec(**changes: Any) -> TemplateSpec:
    spec = TemplateSpec(
        container=Container(image="hello", registry="registry.test/algorithms", version_tag="1.0"),
        command="python3 main.py",
        compute_resources=ComputeResources(limits={"cpu": "1", "memory": "128Mi"}),
        workgroup_ref=WorkgroupRef(name="default"),
    )
    return msgspec.structs.replace(spec, **changes)


def a_checkpoint(**changes: Any) -> Checkpoint:
    checkpoint = Checkpoint(
        algorithm="hello-world",
        id=str(uuid.uuid4()),
        lifecycle_stage=Stage.BUFFERED,
        payload_uri="http://127.0.0.1:8080/data/v1/payloads/hello-world/requests/x",
        received_by_host="scheduler-0",
        received_at=LONG_AGO,
        applied_configuration=a_template_spec(),
        content_hash="ZGVhZGJlZWY=",
        last_modified=LONG_AGO,
        api_version="v1",
    )
    return msgspec.structs.replace(checkpoint, **changes)


def a_buffered_job(checkpoint: Checkpoint, cluster: str = "standalone") -> BufferedJob:
    manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": checkpoint.id},
    }
    return BufferedJob(cluster, msgspec.json.encode(manifest))
