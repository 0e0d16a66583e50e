"""Finding runs by tag where `checkpoints` has secondary indexes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from nexus_core.adapters.cassandra import statements
from nexus_core.adapters.cassandra.errors import OutcomeUnknownError
from nexus_core.adapters.cassandra.rows import checkpoint_of, is_left_over, whole_millis
from nexus_core.adapters.cassandra.session import CqlSession, Write
from nexus_core.domain.checkpoint import Checkpoint
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage

_PAGE = 500
"""Checkpoints of a tag that are fetched at once."""


class IndexLookups:
    """The server keeps the indexes; nothing is written for them.

    Only the tag is asked for by index. What is open and whose it is, our own tables know: the
    indexes on stage and host are for others who share the table.
    """

    def __init__(self, session: CqlSession) -> None:
        self._session = session

    def first_writes(self, checkpoint: Checkpoint, stamp: Sequence[int]) -> list[Write]:  # noqa: ARG002 - the port's
        """Return nothing."""
        return []

    async def tagged(self, tag: str) -> list[Checkpoint]:
        """Return all runs with a tag; those that an index with blurred case found are left out."""
        found: list[Checkpoint] = []
        async for page in self._session.pages(statements.FIND_TAGGED, (tag,), page_size=_PAGE):
            found += [checkpoint_of(row) for row in page if not is_left_over(row)]
        return [checkpoint for checkpoint in found if checkpoint.tag == tag]

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag by one lightweight transaction.

        Raises:
            UnavailableError: it may have got the tag, or not; repeating is harmless.
        """
        at = whole_millis(at)
        # Null, so that no index has to hold all runs without a tag.
        values = (tag or None, at, key.algorithm, key.request_id)
        try:
            return (await self._session.apply(statements.RETAG, values)).applied
        except OutcomeUnknownError:
            if await retagged(self._session, key, tag, at):
                return True
            raise

    def stage_changed(self, key: RunKey, to: Stage) -> None:
        """Do nothing: the server does."""

    async def make_good(self, host: str, finished: Mapping[RunKey, Stage]) -> None:
        """Do nothing: an index can't be behind its row."""

    def removals(self, key: RunKey, stage: Stage, host: str, tag: str) -> list[Write]:  # noqa: ARG002 - the port's
        """Return nothing: an index loses what its row does."""
        return []


async def retagged(session: CqlSession, key: RunKey, tag: str, at: datetime) -> bool:
    """Tell whether a change of tag whose outcome was unknown has happened."""
    rows = await session.execute(statements.FIND_TAG_SERIALLY, (key.algorithm, key.request_id))
    return bool(rows) and ((rows[0][0] or ""), rows[0][1]) == (tag, at)
