"""Our custom resources as an API server holds them."""

from typing import Any

import msgspec

from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.domain.manifests import Manifest, read_manifest, without_unknown_fields
from nexus_core.domain.template import API_VERSION

DEFINITIONS = "kubectl apply -f deploy/crds"
"""What installs the definitions of the resources."""


class CustomResource(msgspec.Struct, frozen=True):
    """A template or a workgroup, sound or not."""

    metadata: ObjectMeta
    spec: Any = None
    status: Any = None

    def conditions(self) -> list[dict[str, Any]]:
        """Return the conditions in its status; those that are none are left out."""
        found = self.status.get("conditions") if isinstance(self.status, dict) else None
        if not isinstance(found, list):
            return []
        return [condition for condition in found if isinstance(condition, dict)]


class ReadResource(msgspec.Struct, frozen=True):
    """A resource, and what is made of it."""

    resource: CustomResource
    manifest: Manifest
    ignored: tuple[str, ...] = ()
    """Paths of fields that have no meaning here."""


def plural(kind: str) -> str:
    """Return what a kind is called in paths and rights."""
    return f"{kind.lower()}s"


def collection(namespace: str, kind: str) -> str:
    """Return the path of all resources of a kind in a namespace."""
    return f"/apis/{API_VERSION}/namespaces/{namespace}/{plural(kind)}"


def read(kind: str, resource: CustomResource) -> ReadResource:
    """Read a resource, whatever is in it."""
    spec, ignored = without_unknown_fields(kind, resource.spec)
    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {"name": resource.metadata.name},
        "spec": spec,
    }
    return ReadResource(resource, read_manifest(document), ignored)
