"""Filling a store with runs that are there already, faster than accepting them would."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uuid_utils
from msgspec.structs import replace

from nexus_core.adapters.sqlite.rows import checkpoint_row
from nexus_core.adapters.sqlite.statements import INSERT_CHECKPOINT
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.stages import Stage
from nexus_core.domain.template import Container, TemplateSpec

_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)

_RUN = Checkpoint(
    algorithm="hello-world",
    id="",
    lifecycle_stage=Stage.COMPLETED,
    payload_uri="http://127.0.0.1:8080/data/v1/payloads/hello-world/requests/an-id?sig=0123456789",
    result_uri="s3a://bucket/results/hello-world",
    received_by_host="bench",
    received_at=_LONG_AGO,
    applied_configuration=TemplateSpec(
        container=Container(image="hello", registry="registry.test", version_tag="1"),
        command="python3 -m examples.hello_world.main",
    ),
    content_hash="ZGVhZGJlZWY=",
    last_modified=_LONG_AGO,
)


def fill(file: Path, rows: int, stage: Stage) -> list[str]:
    """Add runs to a store's file that nobody has open; return their ids.

    They have no buffered Job: its table grows at its end, whatever stands before it.
    """
    ids = [str(uuid_utils.uuid7()) for _ in range(rows)]

    def checkpoints() -> Iterator[tuple[object, ...]]:
        for number, request_id in enumerate(ids):
            at = _LONG_AGO + timedelta(milliseconds=number)
            run = replace(
                _RUN, id=request_id, lifecycle_stage=stage, received_at=at, last_modified=at
            )
            yield checkpoint_row(run, "standalone")

    connection = sqlite3.connect(file)
    with connection:
        connection.executemany(INSERT_CHECKPOINT, checkpoints())
    connection.close()
    return ids
