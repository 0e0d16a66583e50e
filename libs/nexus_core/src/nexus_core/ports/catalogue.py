"""Which algorithms there are, and where they run."""

from collections.abc import Sequence
from typing import Protocol

from nexus_core.domain.template import Template, Workgroup


class Catalogue(Protocol):
    """Knows templates and workgroups by name; answers from memory, and keeps itself fresh.

    A resource that is changed into something unsound keeps its last sound version.
    """

    def template(self, name: str) -> Template | None:
        """Return a template; None when there is none of that name.

        Raises:
            UnavailableError: the resources could not be read yet, so that nobody knows.
        """

    def workgroup(self, name: str) -> Workgroup | None:
        """Return a workgroup; None when there is none of that name.

        Raises:
            UnavailableError: the resources could not be read yet, so that nobody knows.
        """

    def templates(self) -> Sequence[Template]:
        """Return all templates that are known, by name."""

    def age(self) -> float | None:
        """Return seconds since the source last told anything, if only that nothing changes.

        0 where the source can't be away; None: it never told anything.
        """

    async def ping(self) -> None:
        """Return when the resources could be read; raise `UnavailableError` with why not."""
