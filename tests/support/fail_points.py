"""Points at which a service kills itself, named by a test and brought in from outside.

A point is a call of a port, and the side of it on which the process dies. The service is the real
one on its real foundation: only one of its parts is wrapped, so that the code that is killed holds
no switch for it. `support.doomed_service` runs one as a process of its own.
"""

import inspect
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar, cast

from nexus_core.domain.names import RunKey
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.ports.payload_store import Content
from support.meddling import meddled

P = TypeVar("P")


class Moment(StrEnum):
    """On which side of a call the process dies."""

    BEFORE = "before"
    AFTER = "after"


def _always(*_: object) -> bool:
    return True


def _to(*stages: Stage) -> Callable[..., bool]:
    def is_to(_: RunKey, change: StageChange) -> bool:
        return change.to in stages

    return is_to


def _of(content: Content) -> Callable[..., bool]:
    def is_of(stored: Content, *_: object) -> bool:
        return stored is content

    return is_of


@dataclass(frozen=True)
class FailPoint:
    """A call of a port, by the name that a service's parts give it."""

    moment: Moment
    port: str
    method: str
    matters: Callable[..., bool] = _always
    """Asked with the call's arguments."""


def _before(port: str, method: str, matters: Callable[..., bool] = _always) -> FailPoint:
    return FailPoint(Moment.BEFORE, port, method, matters)


def _after(port: str, method: str, matters: Callable[..., bool] = _always) -> FailPoint:
    return FailPoint(Moment.AFTER, port, method, matters)


_GIVEN_UP = (Stage.FAILED, Stage.SCHEDULING_FAILED, Stage.DEADLINE_EXCEEDED)

POINTS = {
    # Accepting.
    "before-payload": _before("payloads", "put", _of(Content.PAYLOAD)),
    "payload-stored": _after("payloads", "put", _of(Content.PAYLOAD)),
    "run-recorded": _after("store", "accept"),
    "before-payload-removal": _before("payloads", "delete", _of(Content.PAYLOAD)),
    # Launching, in its turn or ahead of it.
    "run-read": _after("store", "find"),
    "job-read": _after("store", "find_job"),
    "before-job-creation": _before("clusters", "create_job"),
    "job-created": _after("clusters", "create_job"),
    "running-recorded": _after("store", "advance", _to(Stage.RUNNING)),
    # Reporting.
    "before-result": _before("payloads", "put", _of(Content.RESULT)),
    "result-stored": _after("payloads", "put", _of(Content.RESULT)),
    "before-completion": _before("store", "advance", _to(Stage.COMPLETED)),
    "completion-recorded": _after("store", "advance", _to(Stage.COMPLETED)),
    "before-call-back": _before("callback", "finished"),
    # Cancelling.
    "before-cancellation": _before("store", "advance", _to(Stage.CANCELLED)),
    "cancel-recorded": _after("store", "advance", _to(Stage.CANCELLED)),
    "before-job-deletion": _before("clusters", "delete_job"),
    "job-deleted": _after("clusters", "delete_job"),
    # Giving up, by a verdict or because a cluster refuses.
    "before-verdict": _before("store", "advance", _to(*_GIVEN_UP)),
    "verdict-recorded": _after("store", "advance", _to(*_GIVEN_UP)),
    # Remembering why, and what was printed.
    "before-journal": _before("journal", "record"),
    "journal-written": _after("journal", "record"),
    "before-log": _before("journal", "keep_log"),
    "log-kept": _after("journal", "keep_log"),
    # Removing what has had its time.
    "removal-led": _after("election", "lead"),
    "job-removed": _after("retention", "remove_jobs"),
    "payload-removed": _after("payloads", "delete", _of(Content.PAYLOAD)),
    "result-removed": _after("payloads", "delete", _of(Content.RESULT)),
    "before-place": _before("retention", "move_on"),
    "place-remembered": _after("retention", "move_on"),
    "records-removed": _after("retention", "remove_records"),
    # Tagging.
    "tag-recorded": _after("store", "retag"),
    # Living, and going on after a death.
    "lease-renewed": _after("leases", "renew"),
    "before-lease-release": _before("leases", "release"),
    "left-runs-read": _after("index", "buffered_by"),
}
"""All of them, by the names that tests use, in the order of a run's way."""


class Doom:
    """Kills this process when a fail point is visited for the n-th time."""

    def __init__(self, point: FailPoint, visit: int) -> None:
        self._point = point
        self._visits_left = visit

    def befalls(self, parts: P) -> P:
        """Return the same parts, a dataclass of ports, of which one is fatal."""
        port = self._point.port
        part = getattr(parts, port)
        fatal: Any = (
            {name: self._around(each) for name, each in part.items()}
            if isinstance(part, Mapping)
            else self._around(part)
        )
        return cast("P", replace(cast("Any", parts), **{port: fatal}))

    def _around(self, part: object) -> object:
        name = self._point.method
        method = getattr(part, name)
        call = self._awaited(method) if inspect.iscoroutinefunction(method) else self._told(method)
        return meddled(part, **{name: call})

    def _awaited(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any, **more: Any) -> Any:
            self._visit(Moment.BEFORE, arguments)
            answer = await method(*arguments, **more)
            self._visit(Moment.AFTER, arguments)
            return answer

        return call

    def _told(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            self._visit(Moment.BEFORE, arguments)
            answer = method(*arguments, **more)
            self._visit(Moment.AFTER, arguments)
            return answer

        return call

    def _visit(self, moment: Moment, arguments: tuple[Any, ...]) -> None:
        if moment is not self._point.moment or not self._point.matters(*arguments):
            return
        self._visits_left -= 1
        if self._visits_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
