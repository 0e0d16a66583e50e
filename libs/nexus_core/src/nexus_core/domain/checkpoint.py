"""What is recorded of a run, and the shorter views of it that sweeps and lists work on."""

from datetime import datetime

import msgspec

from nexus_core.domain.names import RunKey
from nexus_core.domain.request import Overrides, ParentReference
from nexus_core.domain.stages import Stage
from nexus_core.domain.template import TemplateSpec


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """All that is recorded of a run. Times are aware, in UTC; empty text means nothing recorded."""

    algorithm: str
    id: str
    lifecycle_stage: Stage
    payload_uri: str = ""
    """A URL that needs no credentials, made when the run was accepted; empty: no payload stored."""
    result_uri: str = ""
    algorithm_failure_cause: str = ""
    algorithm_failure_details: str = ""
    received_by_host: str = ""
    """The scheduler that owns the run: the `owner` of its lease."""
    received_at: datetime
    sent_at: datetime | None = None
    """When its Job was created."""
    applied_configuration: TemplateSpec | None = None
    """The template with the overrides applied; None only in rows that others wrote."""
    configuration_overrides: Overrides | None = None
    content_hash: str = ""
    last_modified: datetime
    tag: str = ""
    api_version: str = ""
    job_uid: str = ""
    parent: ParentReference | None = None

    @property
    def key(self) -> RunKey:
        """What identifies the run."""
        return RunKey(self.algorithm, self.id)


class BufferedJob(msgspec.Struct, frozen=True):
    """The Job of a run as it was made when the run was accepted, and the cluster it is for."""

    cluster: str
    manifest: bytes
    """A `batch/v1` Job as JSON."""


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in a list."""

    key: RunKey
    stage: Stage
    tag: str
    received_at: datetime
    sent_at: datetime | None
    last_modified: datetime
    cause: str


class OpenRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is not finished, as a sweep sees it."""

    key: RunKey
    stage: Stage
    owner: str
    received_at: datetime
    sent_at: datetime | None
    last_modified: datetime
    job_uid: str


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs to list; None and empty mean any."""

    algorithm: str | None = None
    stages: frozenset[Stage] = frozenset()
    tag: str | None = None
    received_from: datetime | None = None
    """Inclusive."""
    received_until: datetime | None = None
    """Exclusive."""


class RunCursor(msgspec.Struct, frozen=True, order=True):
    """A place in the order of runs: by time received, then by id."""

    received_at: datetime
    request_id: str


class IdempotencyKey(msgspec.Struct, frozen=True, kw_only=True):
    """A caller's promise that requests with this key are one request."""

    algorithm: str
    """Keys are apart for each algorithm."""
    key: str
    fingerprint: str
    """Digest of what was asked; another one under the same key is a conflict."""
    expires_at: datetime
    """Until then the key is remembered, in UTC."""


class Acceptance(msgspec.Struct, frozen=True):
    """What became of a run that was handed to the store."""

    request_id: str
    """The id of the run: the one handed in, or the first one's under the same idempotency key."""
    replayed: bool = False
    """Whether an earlier run answers for this one, and nothing was written."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduler's promise that it lives, until it expires."""

    owner: str
    callback_url: str
    """Where the scheduler hears of finished runs; a base URL with no path."""
    expires_at: datetime
    """In UTC."""
