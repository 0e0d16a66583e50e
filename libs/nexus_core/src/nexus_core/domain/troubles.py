"""Kubernetes' words for why a container does not run, sorted by what can be done about them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

OUT_OF_MEMORY = "OOMKilled"
"""How a container ended that exceeded its memory limit."""

NEVER_RAN = frozenset({"ContainerCannotRun", "StartError"})
"""How a container ended whose program never ran: words of container runtimes."""

NO_RETRY_MENDS = frozenset({"ErrImageNeverPull", "InvalidImageName"})
"""Why a container waits that will not start however often it is tried."""


class Family(StrEnum):
    """What is amiss. Reasons of one family follow each other while the same thing goes on."""

    IMAGE = "image"
    """The image can't be had."""
    CONTAINER = "container"
    """The container can't be made, or not be started."""
    CRASH = "crash"
    """It was started, ended, and waits to be started again."""


_FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "ErrImageNeverPull": Family.IMAGE,
        "ErrImagePull": Family.IMAGE,
        "ImageInspectError": Family.IMAGE,
        "ImagePullBackOff": Family.IMAGE,
        "InvalidImageName": Family.IMAGE,
        "RegistryUnavailable": Family.IMAGE,
        "SignatureValidationFailed": Family.IMAGE,
        "CreateContainerConfigError": Family.CONTAINER,
        "CreateContainerError": Family.CONTAINER,
        "PostStartHookError": Family.CONTAINER,
        "PreCreateHookError": Family.CONTAINER,
        "PreStartHookError": Family.CONTAINER,
        "RunContainerError": Family.CONTAINER,
        "CrashLoopBackOff": Family.CRASH,
    }
)


def family_of(reason: str) -> Family | None:
    """Return what is amiss with a container that waits; None when it may yet start by itself."""
    return _FAMILIES.get(reason)
