"""A catalogue that holds what a test puts into it."""

from collections.abc import Sequence

from nexus_core.domain.errors import UnavailableError
from nexus_core.domain.template import Template, TemplateSpec, Workgroup, WorkgroupSpec
from support.runs import a_template_spec


class FixedCatalogue:
    def __init__(self) -> None:
        self.unread: UnavailableError | None = None
        """Raised while it is set: nobody could read the resources yet."""
        self._templates = {"hello-world": Template("hello-world", a_template_spec())}
        self._workgroups = {
            "default": Workgroup("default", WorkgroupSpec(cluster="standalone")),
            "elsewhere": Workgroup("elsewhere", WorkgroupSpec(cluster="unreached")),
        }

    def template(self, name: str) -> Template | None:
        if self.unread:
            raise self.unread
        return self._templates.get(name)

    def workgroup(self, name: str) -> Workgroup | None:
        return self._workgroups.get(name)

    def templates(self) -> Sequence[Template]:
        return [self._templates[name] for name in sorted(self._templates)]

    def age(self) -> float | None:
        return None if self.unread else 12.0

    async def ping(self) -> None:
        pass

    def put(self, name: str, spec: TemplateSpec) -> None:
        self._templates[name] = Template(name, spec)

    def remove(self, name: str) -> None:
        del self._templates[name]
