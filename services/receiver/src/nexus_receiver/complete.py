"""Taking completions: durable before they are answered, and never undone."""

from datetime import datetime

from nexus_core.domain.errors import InvalidInputError, NotFoundError
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import Completion
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.operations.settle import Settler
from nexus_core.ports.payload_store import Content
from nexus_receiver.parts import ReceiverParts


class Completer:
    """Records what algorithms report."""

    def __init__(self, parts: ReceiverParts, settler: Settler) -> None:
        self._store = parts.store
        self._payloads = parts.payloads
        self._clock = parts.clock
        self._settler = settler

    async def complete(self, key: RunKey, completion: Completion) -> bool:
        """Finish a run as its algorithm reports it; tell whether this changed anything.

        Idempotent: a run that has finished stays as it is, whatever is reported, and that is no
        error, since the second report is mostly the first one sent again.

        Raises:
            NotFoundError: there is no such run.
            UnavailableError: unknown whether it is recorded; report again.
        """
        result_uri = completion.result_uri or ""
        if not result_uri and not completion.error_cause:
            result_uri = await self._uploaded(key)
        advance = await self._settler.settle(
            key, _change(completion, result_uri, self._clock.now())
        )
        if advance.stage is None:
            raise NotFoundError(f"there is no run {key}")
        if not advance.stage.finished:
            raise InvalidInputError(f"run {key} is {advance.stage}, and was never started")
        return advance.applied

    async def is_finished(self, key: RunKey) -> bool:
        """Tell whether a run is in a finished stage.

        Raises:
            NotFoundError: there is no such run.
        """
        checkpoint = await self._store.find(key)
        if checkpoint is None:
            raise NotFoundError(f"there is no run {key}")
        return checkpoint.lifecycle_stage.finished

    async def _uploaded(self, key: RunKey) -> str:
        """Return the URI of what the algorithm uploaded; empty when it uploaded nothing.

        The one look-up on this path, and only for algorithms that give no URI themselves.
        """
        if self._payloads is None or await self._payloads.size(Content.RESULT, key) is None:
            return ""
        return self._payloads.uri(Content.RESULT, key)


def _change(completion: Completion, result_uri: str, now: datetime) -> StageChange:
    if completion.error_cause:
        return StageChange(
            to=Stage.FAILED,
            at=now,
            cause=completion.error_cause,
            details=completion.error_details or "",
        )
    return StageChange(to=Stage.COMPLETED, at=now, result_uri=result_uri)
