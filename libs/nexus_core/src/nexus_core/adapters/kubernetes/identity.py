"""Which Job is which run's: by its name and its labels. Pure."""

import msgspec

from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.adapters.kubernetes.runs import run_of
from nexus_core.domain.errors import JobRejectedError
from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey


class Head(msgspec.Struct, frozen=True):
    """What every object begins with."""

    metadata: ObjectMeta


HEADS = msgspec.json.Decoder(Head)


def check_identity(key: RunKey, manifest: bytes) -> None:
    """Refuse what would be created under another name, or where nobody would look for it.

    Raises:
        JobRejectedError: says which name or label is wrong, and what it must be.
    """
    try:
        metadata = HEADS.decode(manifest).metadata
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise JobRejectedError(f"the manifest is no Job: {error}") from error
    if metadata.name != key.request_id:
        raise JobRejectedError(f"metadata.name: must be the request id {key.request_id}")
    for label, value in ((TEMPLATE_NAME_LABEL, key.algorithm), (COMPONENT_LABEL, RUN_COMPONENT)):
        if metadata.labels.get(label) != value:
            raise JobRejectedError(f"metadata.labels: {label} must be {value}")


def is_of(metadata: ObjectMeta, key: RunKey) -> bool:
    """Tell whether a Job of that name is the run's."""
    is_run = metadata.labels.get(COMPONENT_LABEL) == RUN_COMPONENT
    return is_run and run_of(metadata) == key
