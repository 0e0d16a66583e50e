"""Whether a keyspace has the schema of this release."""

from nexus_core.adapters.cassandra.errors import UnusableError
from nexus_core.adapters.cassandra.schema.steps import read_steps
from nexus_core.adapters.cassandra.schema.tables import lacking
from nexus_core.adapters.cassandra.schema.versions import (
    Standing,
    applied_steps,
    only_lacks_steps,
    problems,
    standings,
)
from nexus_core.adapters.cassandra.session import CqlSession, Statement

_FIND_TABLE = Statement(
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?"
)


async def schema_standings(session: CqlSession, *, indexed: bool) -> list[Standing]:
    """Return how each step stands in the session's keyspace."""
    steps = read_steps(indexed=indexed)
    if not await session.execute(_FIND_TABLE, [session.keyspace, "schema_versions"]):
        return standings(steps, {})
    return standings(steps, await applied_steps(session))


async def require_schema(session: CqlSession, *, indexed: bool) -> None:
    """Return when the keyspace is fit for services of this release.

    Raises:
        UnusableError: it is not; the text names the steps, and says what to type.
    """
    stand = await schema_standings(session, indexed=indexed)
    found = problems(stand)
    advice = "; run `nexus-schema apply`" if found and only_lacks_steps(stand) else ""
    found = found or await lacking(session, read_steps(indexed=indexed))
    if found:
        raise UnusableError(
            f"keyspace '{session.keyspace}' has not the schema of this release: "
            f"{'; '.join(found)}{advice}"
        )
