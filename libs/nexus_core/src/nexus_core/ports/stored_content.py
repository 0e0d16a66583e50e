"""What a payload store has, whether or not there is a run for it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from nexus_core.domain.names import RunKey
from nexus_core.ports.payload_store import Content


class StoredItem(NamedTuple):
    """One piece of content."""

    content: Content
    key: RunKey
    """Of the run that it was stored for."""
    stored_at: datetime


class StoredContent(Protocol):
    """Goes through all that a payload store has; for stores that can do so at little cost.

    A bucket can't: it charges for lists, and has rules of its own for what is old.
    """

    def stored_before(self, before: datetime) -> AsyncIterator[Sequence[StoredItem]]:
        """Go through what was stored before a time, in portions, in no order.

        What comes or goes meanwhile may be among it or not.
        """
