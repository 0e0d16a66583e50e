"""Which algorithms there are, and where they run."""

from collections.abc import Sequence
from typing import Protocol

from nexus_core.domain.template import Template, Workgroup


class Catalogue(Protocol):
    """Knows templates and workgroups by name; answers from memory, and keeps itself fresh.

    A resource that is changed into something unsound keeps its last sound version.
    """

    def template(self, name: str) -> Template | None:
        """Return a template; None when there is none of that name."""

    def workgroup(self, name: str) -> Workgroup | None:
        """Return a workgroup; None when there is none of that name."""

    def templates(self) -> Sequence[Template]:
        """Return all templates, by name."""

    async def ping(self) -> None:
        """Return when the resources could be read; raise `UnavailableError` with why not."""
