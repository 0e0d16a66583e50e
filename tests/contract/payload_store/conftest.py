"""Every adapter of the port; another one is one more entry."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from nexus_core.adapters.cassandra.connect import DriverName, open_session
from nexus_core.adapters.cassandra.payload_buffer import CassandraPayloadStore, PayloadBuffer
from nexus_core.adapters.folder.payload_store import FolderPayloadStore
from nexus_core.adapters.scheduler_urls import SchedulerUrls
from nexus_core.domain.data_urls import SignedUrls
from nexus_core.ports.payload_store import PayloadStore
from support.cassandra import LIMITS, plan_of
from support.clock import ManualClock
from support.s3 import a_prefix, open_s3_store, s3_settings

OpenStore = Callable[[], AbstractAsyncContextManager[PayloadStore]]
"""Opens the same store, once more each time."""


def a_folder(_: pytest.FixtureRequest, folder: Path) -> OpenStore:
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of tests")
    return lambda: FolderPayloadStore.open(folder / "payloads", urls, ManualClock())


def a_bucket(request: pytest.FixtureRequest, _: Path) -> OpenStore:
    settings = s3_settings(request.getfixturevalue("s3_server"), a_prefix())
    return lambda: open_s3_store(settings)


def a_table(request: pytest.FixtureRequest, folder: Path) -> OpenStore:
    plan = plan_of(
        request.getfixturevalue("cassandra_server"), request.getfixturevalue("indexed_keyspace")
    )
    urls = SignedUrls("http://127.0.0.1:8080", b"a secret of tests")

    @asynccontextmanager
    async def opened() -> AsyncIterator[PayloadStore]:
        async with (
            open_session(plan, LIMITS, DriverName.ACSYLLA) as session,
            FolderPayloadStore.open(folder / "payloads", urls, ManualClock()) as beside,
        ):
            buffer = PayloadBuffer(session)
            yield CassandraPayloadStore(buffer, beside, SchedulerUrls(urls, ManualClock()))

    return opened


ADAPTERS = {"folder": a_folder, "s3": a_bucket, "cassandra": a_table}


@pytest.fixture(
    params=[
        "folder",
        pytest.param("s3", marks=pytest.mark.integration),
        pytest.param("cassandra", marks=pytest.mark.integration),
    ]
)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    return ADAPTERS[request.param](request, tmp_path)


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[PayloadStore]:
    async with open_store() as opened:
        yield opened
