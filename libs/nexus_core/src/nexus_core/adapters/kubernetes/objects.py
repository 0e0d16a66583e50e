"""What all objects of Kubernetes have in common, as far as it is read here."""

from datetime import datetime
from typing import Protocol

import msgspec


class OwnerReference(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What an object belongs to."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class ObjectMeta(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Name and history of an object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    owner_references: tuple[OwnerReference, ...] = ()


class KubernetesObject(Protocol):
    """A decoded object: a frozen msgspec struct of its kind."""

    @property
    def metadata(self) -> ObjectMeta:
        """Its name and history."""


class ObjectName(msgspec.Struct, frozen=True, order=True):
    """What identifies an object of a kind at a time; another one may bear the name later."""

    namespace: str
    name: str

    @classmethod
    def of(cls, metadata: ObjectMeta) -> "ObjectName":
        """Return the name of an object."""
        return cls(metadata.namespace, metadata.name)
