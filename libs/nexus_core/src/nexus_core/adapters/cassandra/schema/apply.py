"""Brings a keyspace to the schema of this release."""

from collections.abc import Collection

from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.schema import lock as schema_lock
from nexus_core.adapters.cassandra.schema import versions
from nexus_core.adapters.cassandra.schema.check import schema_standings
from nexus_core.adapters.cassandra.schema.lock import Say, SchemaLock
from nexus_core.adapters.cassandra.schema.steps import Phase, Step, read_steps
from nexus_core.adapters.cassandra.schema.tables import lacking
from nexus_core.adapters.cassandra.schema.versions import State
from nexus_core.adapters.cassandra.session import CqlSession, Statement
from nexus_core.domain.errors import UnavailableError
from nexus_core.ports.clock import Clock

# The nodes tell each other of it, and a busy one makes files.
_DEFINE_SECONDS = 60.0

# Every statement is safe to repeat, so an answer that did not come is no reason to give up.
_TRIES = 3
_PAUSE_SECONDS = 1.0

# Making a table in Keyspaces takes it up to a minute or so.
_ACTIVE_SECONDS = 300.0


async def apply_schema(
    session: CqlSession,
    clock: Clock,
    *,
    indexed: bool,
    phases: Collection[Phase],
    patience: float,
    say: Say,
) -> None:
    """Run all steps of the phases that have not run yet, one applier at a time. Idempotent.

    `patience` is how long to wait for another applier, in seconds; `say` is told of each step.

    Raises:
        UnusableError: a step was applied in another form, a table has another shape, another
            applier takes too long, or the server refuses a statement; the text names it.
        UnavailableError: the server does not answer.
    """
    # The only two statements outside of the lock, since it is one of the tables.
    for table in (schema_lock.TABLE, versions.TABLE):
        await _define(session, clock, table)
    async with SchemaLock.held(session, clock, patience=patience, say=say) as lock:
        steps = {step.name: step for step in read_steps(indexed=indexed)}
        for standing in await schema_standings(session, indexed=indexed):
            if standing.state is State.CHANGED:
                raise UnusableError(
                    f"step {standing.step} was applied in another form than this release has"
                )
            if standing.state is State.MISSING and standing.phase in phases:
                await _run(session, clock, steps[standing.step], lock)
                say(f"applied {standing.step}")
    found = await lacking(session, [one for one in steps.values() if one.phase in phases])
    if found:
        raise UnusableError(
            f"keyspace '{session.keyspace}' has tables of another shape: {'; '.join(found)}"
        )


async def _run(session: CqlSession, clock: Clock, step: Step, lock: SchemaLock) -> None:
    for statement in step.statements:
        lock.require()
        await _define(session, clock, statement)
    lock.require()
    await versions.record(session, step, clock.now(), lock.holder)


async def _define(session: CqlSession, clock: Clock, cql: str) -> None:
    for tries in range(1, _TRIES + 1):
        try:
            await session.define(cql, within=_DEFINE_SECONDS)
            break
        except UnusableError as error:
            raise UnusableError(f"{error} ({_shortly(cql)})") from error
        except UnavailableError:
            if tries == _TRIES:
                raise
            await clock.sleep(_PAUSE_SECONDS)
    await until_active(session, clock)


def _shortly(cql: str) -> str:
    return " ".join(cql.split()[:6]) + " …"


# Keyspaces alone has this table: there, a table is made after the statement has returned.
_FIND_STATUS = Statement(
    "SELECT table_name, status FROM system_schema_mcs.tables WHERE keyspace_name = ?"
)
_FIND_MCS = Statement(
    "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'system_schema_mcs'"
)


async def until_active(session: CqlSession, clock: Clock) -> None:
    """Return when all tables of the keyspace can be used: at once, but for Keyspaces.

    Raises:
        UnavailableError: it takes some longer than five minutes; the text names them.
    """
    if not await session.execute(_FIND_MCS):
        return
    until = clock.monotonic() + _ACTIVE_SECONDS
    while True:
        rows = await session.execute(_FIND_STATUS, [session.keyspace])
        busy = [str(table) for table, status in rows if status != "ACTIVE"]
        if not busy:
            return
        if clock.monotonic() >= until:
            raise UnavailableError(f"tables are still being made: {', '.join(busy)}")
        await clock.sleep(_PAUSE_SECONDS)
