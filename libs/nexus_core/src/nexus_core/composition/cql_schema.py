"""The schema of a store that speaks CQL: bringing it about, and looking at it."""

from collections.abc import Callable

from msgspec import Struct

from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.schema.apply import apply_schema
from nexus_core.adapters.cassandra.schema.check import schema_standings
from nexus_core.adapters.cassandra.schema.keyspace import create_keyspace, replication_of
from nexus_core.adapters.cassandra.schema.steps import Phase, read_steps
from nexus_core.adapters.cassandra.schema.tables import lacking
from nexus_core.adapters.cassandra.schema.versions import problems
from nexus_core.composition.cql import open_cql_session
from nexus_core.composition.cql_store import cql_store
from nexus_core.ports.clock import Clock
from nexus_core.settings.sections import ServiceSettings

__all__ = ["PHASES", "NewKeyspace", "Report", "UnusableError", "apply", "check"]

PHASES = tuple(phase.value for phase in Phase)
"""The phases of a release, in order."""


class NewKeyspace(Struct, frozen=True):
    """How to make a keyspace."""

    replication: str
    """`3`, `dc1=3,dc2=2` or `single-region`."""
    tablets: bool
    """False: Scylla is told to use none."""


class Report(Struct, frozen=True):
    """How a keyspace stands."""

    keyspace: str
    steps: tuple[tuple[str, str], ...]
    """Each step, and one word for it."""
    problems: tuple[str, ...]
    """Why services of this release can't work with it; none: they can."""


async def apply(
    settings: ServiceSettings,
    clock: Clock,
    *,
    phases: tuple[str, ...],
    new_keyspace: NewKeyspace | None,
    patience: float,
    say: Callable[[str], None],
) -> None:
    """Run the steps of some phases that have not run yet; first make the keyspace, if asked to.

    Raises:
        InvalidInputError: a setting or an argument is bad.
        UnusableError: the schema can't be made what it should be; one line that says why.
        UnavailableError: the store can't be reached.
    """
    store = cql_store(settings)
    if new_keyspace is not None:
        replication_of(new_keyspace.replication)
        async with open_cql_session(store, in_keyspace=False) as session:
            await create_keyspace(
                session,
                store.plan.keyspace,
                new_keyspace.replication,
                tablets=new_keyspace.tablets,
            )
    async with open_cql_session(store) as session:
        await apply_schema(
            session,
            clock,
            indexed=store.indexed,
            phases=[Phase(phase) for phase in phases],
            patience=patience,
            say=say,
        )


async def check(settings: ServiceSettings) -> Report:
    """Say how the keyspace stands; changes nothing.

    Raises:
        InvalidInputError: a setting is bad.
        UnavailableError: the store can't be reached, or won't have us.
    """
    store = cql_store(settings)
    async with open_cql_session(store) as session:
        found = await schema_standings(session, indexed=store.indexed)
        wrong = problems(found)
        if not wrong:
            wrong = await lacking(session, read_steps(indexed=store.indexed))
        return Report(
            store.plan.keyspace,
            tuple((one.step, one.state.value) for one in found),
            tuple(wrong),
        )
