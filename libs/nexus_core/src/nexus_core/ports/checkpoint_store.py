"""Where the record of every run is kept."""

from datetime import datetime
from typing import Protocol

from nexus_core.domain.checkpoint import Acceptance, BufferedJob, Checkpoint, IdempotencyKey
from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Advance, StageChange


class CheckpointStore(Protocol):
    """Keeps checkpoints and buffered Jobs, and changes stages by compare-and-set.

    Times are kept to the millisecond at least.
    """

    async def accept(
        self,
        checkpoint: Checkpoint,
        job: BufferedJob | None,
        key: IdempotencyKey | None = None,
    ) -> Acceptance:
        """Record a new run, its buffered Job, and its idempotency key, all or nothing.

        Durable when it returns: a crash of this process or of the store loses nothing of it.
        Repeating it with the same checkpoint id changes nothing and is not an error.

        With a key that an unexpired earlier run holds under the same fingerprint, nothing is
        written and that run's id is returned, `replayed`.

        Raises:
            ConflictError: the key is held under another fingerprint.
        """

    async def find(self, key: RunKey) -> Checkpoint | None:
        """Return what is recorded of a run; sees every write that returned before."""

    async def find_job(self, key: RunKey) -> BufferedJob | None:
        """Return the buffered Job of a run."""

    async def find_submission(self, key: IdempotencyKey) -> Acceptance | None:
        """Return the earlier run that holds an unexpired idempotency key, without writing.

        Raises:
            ConflictError: the key is held under another fingerprint.
        """

    async def advance(self, key: RunKey, change: StageChange) -> Advance:
        """Change the stage if, and only if, the stage it is in now allows it.

        One atomic compare-and-set against `stages.SOURCES`; the recorded fields of the change are
        written in the same step or not at all. Durable when it returns. Several writers may race:
        at most one of those that ask for different finished stages is told `applied`.
        """

    async def retag(self, key: RunKey, tag: str, at: datetime) -> bool:
        """Give a run another tag, in any stage. False when there is no such run."""

    async def ping(self) -> None:
        """Return when the store answers; raise `UnavailableError` when it does not."""
