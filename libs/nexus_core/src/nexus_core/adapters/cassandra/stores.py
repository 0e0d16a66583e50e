"""The ports on one session."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from msgspec import Struct

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.adopter import Adopter, StrangersByIndex, StrangersByTable
from nexus_core.adapters.cassandra.afterwork import Afterwork
from nexus_core.adapters.cassandra.checkpoint_store import CassandraCheckpointStore
from nexus_core.adapters.cassandra.endings import Endings
from nexus_core.adapters.cassandra.filing import Filing
from nexus_core.adapters.cassandra.finished_runs import FinishedRuns
from nexus_core.adapters.cassandra.first_wins import FirstWins
from nexus_core.adapters.cassandra.first_write import FirstWriter
from nexus_core.adapters.cassandra.journal import CassandraJournal
from nexus_core.adapters.cassandra.leader_election import CassandraLeaderElection
from nexus_core.adapters.cassandra.lease_store import CassandraLeaseStore
from nexus_core.adapters.cassandra.lookups import Lookups
from nexus_core.adapters.cassandra.lookups_by_index import IndexLookups
from nexus_core.adapters.cassandra.lookups_by_table import TableLookups
from nexus_core.adapters.cassandra.open_parts import PartRegister
from nexus_core.adapters.cassandra.open_runs import OpenRuns
from nexus_core.adapters.cassandra.retention import CassandraRetention
from nexus_core.adapters.cassandra.run_index import CassandraRunIndex
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.adapters.cassandra.statements import FirstWrites
from nexus_core.adapters.cassandra.submissions import Submissions
from nexus_core.adapters.cassandra.tidier import Tidier
from nexus_core.ports.clock import Clock


class Variant(Struct, frozen=True, kw_only=True):
    """What a store can do that speaks CQL."""

    indexed: bool
    """Whether `checkpoints` has secondary indexes; otherwise there are lookup tables."""
    any_timestamp: bool = True
    """Whether writes may carry a timestamp of long ago. Keyspaces refuses those."""
    adopts: bool = False
    """Whether sweeps look for open runs that another implementation's schedulers accepted."""
    claim_patience: float = 5.0
    """Seconds for which the claim of an idempotency key may be without its run.

    Longer than a write takes on a bad day; a client that tries again waits for it once.
    """


class CassandraStores(Struct, frozen=True):
    """The ports on one session."""

    checkpoints: CassandraCheckpointStore
    index: CassandraRunIndex
    leases: CassandraLeaseStore
    journal: CassandraJournal
    election: CassandraLeaderElection
    retention: CassandraRetention
    afterwork: Afterwork


@asynccontextmanager
async def open_cassandra_stores(
    session: CqlSession, clock: Clock, variant: Variant
) -> AsyncIterator[CassandraStores]:
    """Open the ports on a session whose keyspace has the schema of the variant.

    Raises:
        UnavailableError: a table is missing, or the server does not answer.
    """
    writes = FirstWrites(stamped=variant.any_timestamp)
    await session.prepare(_hot_statements(writes, variant))
    afterwork = Afterwork()
    try:
        yield _assembled(session, clock, variant, writes, afterwork)
    finally:
        await afterwork.close()


def _assembled(
    session: CqlSession,
    clock: Clock,
    variant: Variant,
    writes: FirstWrites,
    afterwork: Afterwork,
) -> CassandraStores:
    order = FirstWins(clock) if variant.any_timestamp else None
    lookups: Lookups = (
        IndexLookups(session)
        if variant.indexed
        else TableLookups(session, writes, order, afterwork)
    )
    register = PartRegister(session, clock)
    open_runs = OpenRuns(session, register)
    finished = FinishedRuns(session, clock)
    writer = FirstWriter(session, register, lookups, writes, order)
    submissions = Submissions(session, clock, variant.claim_patience)
    filing = Filing(session, register, writes, order)
    tidier = Tidier(
        clock,
        register=register,
        open_runs=open_runs,
        finished=finished,
        filing=filing,
        lookups=lookups,
    )
    kind = StrangersByIndex if variant.indexed else StrangersByTable
    adopter = Adopter(session, clock, open_runs=open_runs, filing=filing, strangers=kind(session))
    return CassandraStores(
        CassandraCheckpointStore(session, writer, submissions, lookups),
        CassandraRunIndex(
            session,
            lookups,
            open_runs=open_runs,
            finished=finished,
            tidier=tidier,
            adopter=adopter if variant.adopts else None,
        ),
        CassandraLeaseStore(session),
        CassandraJournal(session),
        CassandraLeaderElection(session),
        CassandraRetention(session, Endings(session, clock), lookups),
        afterwork,
    )


def _hot_statements(writes: FirstWrites, variant: Variant) -> Iterator[Statement]:
    """Return one statement at least for each table, those that every run needs among them."""
    yield from (writes.checkpoint, writes.job, writes.open_run, writes.child)
    if not variant.indexed:
        yield from (writes.by_tag, writes.by_host)
    yield from (
        statements.FIND_CHECKPOINT,
        statements.FIND_JOB,
        statements.FIND_PAYLOAD,
        statements.FIND_ALL_SLOTS,
        statements.FIND_PARTS,
        statements.FIND_FINISHED_DAYS,
        statements.FIND_FINISHED_MINUTES,
        statements.FIND_FINISHED,
        statements.FIND_ENDING_MINUTES,
        statements.FIND_ENDINGS,
        statements.FIND_PLACE,
        statements.FIND_CLAIM,
        statements.FIND_LEASES,
        statements.RECORD_EVENT,
        statements.KEEP_LOG,
        statements.RECORD_LANE,
        statements.LEAD,
    )
