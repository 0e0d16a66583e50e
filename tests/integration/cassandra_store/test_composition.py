"""The stores as services open them: from settings, on a keyspace made by `nexus-schema`."""

import re
from uuid import uuid4

import pytest

from nexus_core.aio.clock import SystemClock
from nexus_core.composition.checkpoint_stores import open_checkpoint_stores
from nexus_core.composition.cql_schema import PHASES, NewKeyspace, apply
from nexus_core.domain.checkpoint import Lease
from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.settings.checkpoints import ScyllaCqlStore
from nexus_core.settings.sections import ServiceSettings
from nexus_core.settings.values import Port, Secret
from support.cassandra import drop_keyspace
from support.runs import a_buffered_job, a_checkpoint
from tools.testbed.description import CassandraDescription

pytestmark = pytest.mark.integration


def settings_for(server: CassandraDescription, keyspace: str, *, indexed: bool) -> ServiceSettings:
    return ServiceSettings(
        cql_store_type="scylla",
        scylla_cql_store=ScyllaCqlStore(
            hosts=(server.host,),
            port=Port(server.port),
            user=server.user,
            password=Secret(server.password),
            local_dc=server.local_dc,
            keyspace=keyspace,
            indexes_supported=indexed,
        ),
    )


@pytest.mark.parametrize("kind", ["indexed", "unindexed"])
async def test_stores_open_on_a_schema_that_was_applied(
    cassandra_server: CassandraDescription, kind: str
) -> None:
    clock = SystemClock()
    keyspace = f"test_{uuid4().hex[:12]}"
    settings = settings_for(cassandra_server, keyspace, indexed=kind == "indexed")
    keyspace_to_make = NewKeyspace(replication="1", tablets=True)
    await apply(
        settings,
        clock,
        phases=PHASES,
        new_keyspace=keyspace_to_make,
        patience=30.0,
        say=lambda _: None,
    )
    try:
        async with open_checkpoint_stores(settings, clock) as stores:
            run = a_checkpoint(tag="nightly", received_at=clock.now())
            await stores.store.accept(run, a_buffered_job(run))
            await stores.store.advance(run.key, StageChange(to=Stage.RUNNING, at=clock.now()))
            await stores.leases.renew(
                Lease(owner="one", callback_url="http://one", expires_at=clock.now())
            )
            (found,) = await stores.index.tagged("nightly")
            assert (found.id, found.lifecycle_stage) == (run.id, Stage.RUNNING)
            assert len(await stores.leases.expired(clock.now())) == 1
    finally:
        await drop_keyspace(cassandra_server, keyspace)


async def test_stores_without_their_schema_say_what_to_type(
    cassandra_server: CassandraDescription, indexed_keyspace: str
) -> None:
    settings = settings_for(cassandra_server, indexed_keyspace, indexed=False)
    async with open_checkpoint_stores(settings, SystemClock()) as stores:
        with pytest.raises(UnavailableError) as raised:
            await stores.store.ping()
    assert re.fullmatch(rf".*{indexed_keyspace}.*nexus-schema apply.*", str(raised.value))
