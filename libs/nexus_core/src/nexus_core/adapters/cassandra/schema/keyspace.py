"""Making the keyspace, where the servers let us."""

import re

from nexus_core.adapters.cassandra.session import CqlSession
from nexus_core.domain.errors import InvalidInputError

_DEFINE_SECONDS = 60.0


async def create_keyspace(
    session: CqlSession, name: str, replication: str, *, tablets: bool
) -> None:
    """Make a keyspace where there is none of its name. `session` is outside of any keyspace.

    Without `tablets`, Scylla is told to use none, which have no lightweight transactions in some of
    its releases; other servers don't know the word.

    Raises:
        InvalidInputError: `replication` is none of what `replication_of` takes.
    """
    options = f"replication = {replication_of(replication)}"
    if not tablets:
        options += " AND tablets = {'enabled': false}"
    await session.define(
        f"CREATE KEYSPACE IF NOT EXISTS {name} WITH {options}", within=_DEFINE_SECONDS
    )


def replication_of(text: str) -> str:
    """Return CQL for `3` (in each data centre), `dc1=3,dc2=2`, or Keyspaces' `single-region`.

    Raises:
        InvalidInputError: it is neither.
    """
    if text == "single-region":
        return "{'class': 'SingleRegionStrategy'}"
    if re.fullmatch(r"[1-9]\d?", text):
        return f"{{'class': 'NetworkTopologyStrategy', 'replication_factor': {text}}}"
    if re.fullmatch(r"[\w.-]+=[1-9]\d?(,[\w.-]+=[1-9]\d?)*", text):
        parts = (part.split("=") for part in text.split(","))
        centres = ", ".join(f"'{centre}': {copies}" for centre, copies in parts)
        return f"{{'class': 'NetworkTopologyStrategy', {centres}}}"
    raise InvalidInputError(
        f"replication must be a number of copies (3), one for each data centre (dc1=3,dc2=2), "
        f"or single-region, not '{text}'"
    )
