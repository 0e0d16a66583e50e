"""A standalone that kills itself at a point that a test names; run as a process of its own.

It is the real one on its real foundation. Only the parts are wrapped, from outside, so that the
code that is killed holds no switch for it.
"""

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from nexus_core.aio.clock import SystemClock
from nexus_core.aio.tasks import BackgroundTasks
from nexus_core.domain.stages import Stage, StageChange
from nexus_core.web.process import run_process
from nexus_standalone.composition import open_services
from nexus_standalone.foundation import Foundation, open_foundation
from nexus_standalone.settings import StandaloneSettings
from support.meddling import meddled

T = TypeVar("T")

POINT_VARIABLE = "FAIL_POINT"
VISIT_VARIABLE = "FAIL_AT_VISIT"
"""Which visit to the point is the last thing that happens; counted from 1."""


class Moment(StrEnum):
    """On which side of a call the process dies."""

    BEFORE = "before"
    AFTER = "after"


def _always(*_: object) -> bool:
    return True


def _to(stage: Stage) -> Callable[..., bool]:
    def is_to(_: object, change: StageChange) -> bool:
        return change.to is stage

    return is_to


@dataclass(frozen=True)
class FailPoint:
    """A call of a port. Its name alone tells the port: no two ports share one of these."""

    moment: Moment
    method: str
    matters: Callable[..., bool] = _always
    """Asked with the call's arguments."""


POINTS = {
    "payload-stored": FailPoint(Moment.AFTER, "put"),
    "run-recorded": FailPoint(Moment.AFTER, "accept"),
    "before-job-creation": FailPoint(Moment.BEFORE, "create_job"),
    "job-created": FailPoint(Moment.AFTER, "create_job"),
    "before-completion": FailPoint(Moment.BEFORE, "advance", _to(Stage.COMPLETED)),
    "completion-recorded": FailPoint(Moment.AFTER, "advance", _to(Stage.COMPLETED)),
    "cancel-recorded": FailPoint(Moment.AFTER, "advance", _to(Stage.CANCELLED)),
    "before-job-deletion": FailPoint(Moment.BEFORE, "delete_job"),
    "job-deleted": FailPoint(Moment.AFTER, "delete_job"),
}


class Doom:
    """Kills this process when a fail point is visited for the n-th time."""

    def __init__(self, point: FailPoint, visit: int) -> None:
        self._point = point
        self._visits_left = visit

    def befalls(self, foundation: Foundation) -> Foundation:
        """Return the same parts, one of which is fatal."""
        stores = foundation.stores
        return replace(
            foundation,
            stores=replace(
                stores, store=self._around(stores.store), payloads=self._around(stores.payloads)
            ),
            clusters={name: self._around(each) for name, each in foundation.clusters.items()},
        )

    def _around(self, part: T) -> T:
        name = self._point.method
        if not hasattr(part, name):
            return part
        method: Callable[..., Awaitable[Any]] = getattr(part, name)

        async def call(*arguments: Any, **more: Any) -> Any:
            matters = self._point.matters(*arguments)
            if matters and self._point.moment is Moment.BEFORE:
                self._visit()
            answer = await method(*arguments, **more)
            if matters and self._point.moment is Moment.AFTER:
                self._visit()
            return answer

        return meddled(part, **{name: call})

    def _visit(self) -> None:
        self._visits_left -= 1
        if self._visits_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@asynccontextmanager
async def open_doomed(settings: StandaloneSettings) -> AsyncIterator[BackgroundTasks]:
    """Run a standalone until it gets to the point that the environment names."""
    doom = Doom(POINTS[os.environ[POINT_VARIABLE]], int(os.environ[VISIT_VARIABLE]))
    async with (
        open_foundation(settings, SystemClock()) as foundation,
        open_services(doom.befalls(foundation)) as tasks,
    ):
        yield tasks


if __name__ == "__main__":
    sys.exit(run_process("doomed-standalone", StandaloneSettings, open_doomed))
