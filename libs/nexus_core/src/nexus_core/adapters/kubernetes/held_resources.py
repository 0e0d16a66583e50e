"""What a catalogue holds of an API server's templates and workgroups, and what it says of them.

No waiting here: the catalogue puts in what it hears, and asks what that means.
"""

from collections.abc import Collection, Iterable

import msgspec

from nexus_core.adapters.kubernetes.custom_resources import ReadResource
from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND, Template, Workgroup

ResourceKey = tuple[str, str]
"""Kind and name."""

# A message in a condition may have 32,768 characters. Nobody reads on after these.
_LONGEST_MESSAGE = 1000


class Verdict(msgspec.Struct, frozen=True):
    """Whether a resource can be used, as its condition says it."""

    accepted: bool
    reason: str
    """One word, for programs."""
    message: str
    """For people; names the field."""


class _Held(msgspec.Struct, frozen=True):
    read: ReadResource
    sound: Template | Workgroup | None
    """The last sound version."""


class HeldResources:
    """The resources of one namespace, by kind and name, with the last sound version of each."""

    def __init__(self, clusters: Collection[str]) -> None:
        """Hold nothing yet. `clusters` are those that are reached; may change meanwhile."""
        self._clusters = clusters
        self._held: dict[ResourceKey, _Held] = {}

    def put(self, key: ResourceKey, read: ReadResource) -> ReadResource | None:
        """Take a resource as it is now, and return it as it was before.

        One that was deleted and made anew inherits nothing.
        """
        before = self._held.get(key)
        if before and before.read.resource.metadata.uid != read.resource.metadata.uid:
            before = None
        sound = read.manifest.resource or (before.sound if before else None)
        self._held[key] = _Held(read, sound)
        return before.read if before else None

    def drop(self, key: ResourceKey) -> bool:
        """Forget a resource. False when there was none."""
        return self._held.pop(key, None) is not None

    def get(self, key: ResourceKey) -> ReadResource | None:
        """Return a resource as it is now."""
        held = self._held.get(key)
        return held.read if held else None

    def template(self, name: str) -> Template | None:
        """Return the last sound version of a template."""
        held = self._held.get((TEMPLATE_KIND, name))
        return held.sound if held and isinstance(held.sound, Template) else None

    def workgroup(self, name: str) -> Workgroup | None:
        """Return the last sound version of a workgroup."""
        held = self._held.get((WORKGROUP_KIND, name))
        return held.sound if held and isinstance(held.sound, Workgroup) else None

    def templates(self) -> list[Template]:
        """Return all templates, by name."""
        found = (held.sound for held in self._held.values())
        return sorted((one for one in found if isinstance(one, Template)), key=lambda t: t.name)

    def keys(self) -> Iterable[ResourceKey]:
        """Return what is held, sound or not."""
        return self._held.keys()

    def why_useless(self) -> str:
        """Say why nothing of what is held can be used; empty when something can, or nothing is."""
        if not self._held or any(held.sound for held in self._held.values()):
            return ""
        (kind, name), held = min(self._held.items())
        return f"no template or workgroup can be used: {kind}/{name}: {_problems(held.read)}"

    def affected_by(self, key: ResourceKey) -> set[ResourceKey]:
        """Return the resources whose verdict a change of one of them may change."""
        kind, name = key
        if kind != WORKGROUP_KIND:
            return {key}
        referring = (one for one in self.templates() if _workgroup_of(one) == name)
        return {key, *((TEMPLATE_KIND, one.name) for one in referring)}

    def verdict(self, key: ResourceKey) -> Verdict | None:
        """Say whether a resource can be used; None when there is none."""
        held = self._held.get(key)
        if held is None:
            return None
        match held.read.manifest.resource:
            case None:
                verdict = Verdict(
                    accepted=False,
                    reason="Unsound",
                    message=f"{_problems(held.read)}. Until it is mended, schedulers use the last "
                    "sound version that they know.",
                )
            case Workgroup() as workgroup:
                verdict = self._of_workgroup(workgroup)
            case Template() as template:
                verdict = self._of_template(template)
        return _with_ignored(verdict, held.read.ignored)

    def _of_workgroup(self, workgroup: Workgroup) -> Verdict:
        cluster = workgroup.spec.cluster
        if cluster in self._clusters:
            return Verdict(True, "Accepted", f"Runs go to cluster '{cluster}'.")
        return Verdict(False, "UnknownCluster", f"spec.cluster: {self._unreached(cluster)}.")

    def _of_template(self, template: Template) -> Verdict:
        name = _workgroup_of(template)
        if not name:
            return Verdict(True, "Accepted", "Requests must name a workgroup.")
        workgroup = self.workgroup(name)
        if workgroup is None:
            return Verdict(
                False,
                "UnknownWorkgroup",
                f"spec.workgroupRef.name: there is no workgroup '{name}'.",
            )
        cluster = workgroup.spec.cluster
        if cluster not in self._clusters:
            return Verdict(
                False,
                "UnknownCluster",
                f"spec.workgroupRef.name: workgroup '{name}' is on cluster '{cluster}': "
                f"{self._unreached(cluster)}.",
            )
        return Verdict(True, "Accepted", f"Runs go to workgroup '{name}' on cluster '{cluster}'.")

    def _unreached(self, cluster: str) -> str:
        reached = ", ".join(f"'{name}'" for name in sorted(self._clusters)) or "none"
        return f"schedulers here do not reach a cluster '{cluster}', but {reached}"


def _workgroup_of(template: Template) -> str:
    return template.spec.workgroup_ref.name if template.spec.workgroup_ref else ""


def _problems(read: ReadResource) -> str:
    text = "; ".join(map(str, read.manifest.problems))
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"


def _with_ignored(verdict: Verdict, ignored: tuple[str, ...]) -> Verdict:
    if not ignored:
        return verdict
    words = f"{verdict.message} These fields are not known here and have no effect: "
    return msgspec.structs.replace(verdict, message=f"{words}{', '.join(ignored)}.")
