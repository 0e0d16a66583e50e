"""Whether the tables that steps make are there, with all their columns.

Another implementation may have made them first, in an older shape: a step then finds its tables
there and changes nothing.
"""

import re
from collections.abc import Iterable, Sequence

from nexus_core.adapters.cassandra.schema.steps import Step
from nexus_core.adapters.cassandra.session import CqlSession, Statement

_FIND_COLUMNS = Statement(
    "SELECT table_name, column_name, type FROM system_schema.columns WHERE keyspace_name = ?"
)

_CREATE = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+)\s*\((.*)\)", re.IGNORECASE | re.DOTALL)
_COLUMN = re.compile(r"\s*(\w+)\s+([\w<>]+)\s*(?:STATIC\s*)?(?:,|$)", re.IGNORECASE)

Columns = dict[str, dict[str, str]]
"""Types of columns, by table and column."""


def wanted_columns(steps: Iterable[Step]) -> Columns:
    """Return what the `CREATE TABLE` statements of some steps ask for."""
    wanted: Columns = {}
    for step in steps:
        for statement in step.statements:
            made = _CREATE.match(statement)
            if made:
                columns = made[2].partition("PRIMARY KEY")[0]
                wanted[made[1]] = dict(_COLUMN.findall(columns))
    return wanted


def differences(wanted: Columns, found: Columns) -> list[str]:
    """Return what is not as wanted, as clauses; columns that nobody asked for are no difference."""
    differ = []
    for table, columns in wanted.items():
        if table not in found:
            differ.append(f"table {table} is missing")
            continue
        for name, kind in columns.items():
            there = found[table].get(name)
            if there is None:
                differ.append(f"table {table} lacks column {name} {kind}")
            elif there.replace(" ", "") != kind.replace(" ", ""):
                differ.append(f"column {name} of table {table} is {there} and not {kind}")
    return differ


async def lacking(session: CqlSession, steps: Sequence[Step]) -> list[str]:
    """Return what the session's keyspace lacks of what steps make."""
    found: Columns = {}
    for table, column, kind in await session.execute(_FIND_COLUMNS, [session.keyspace]):
        found.setdefault(str(table), {})[str(column)] = str(kind)
    return differences(wanted_columns(steps), found)
