"""Runs and what is known of their ways; times are seconds after a run was received."""

from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from nexus_core.domain.journal import LaneSample, LaneState, RunEvent, RunEventKind
from nexus_core.domain.names import RunKey
from nexus_core.domain.request import ParentReference
from nexus_core.domain.stages import Stage
from nexus_core.domain.story.facts import Ahead, Facts
from nexus_core.domain.template import RuntimeEnvironment
from support.runs import LONG_AGO, a_checkpoint, a_template_spec

KEY = RunKey("hello-world", "0192e4a0-0000-7000-8000-000000000001")
PARENT = ParentReference(
    request_id="0192e4a0-0000-7000-8000-00000000000f", algorithm_name="fan-out"
)


def at(seconds: float) -> datetime:
    return LONG_AGO + timedelta(seconds=seconds)


def an_event(kind: RunEventKind, seconds: float, pod: str = "", **words: str) -> RunEvent:
    return RunEvent(key=KEY, kind=kind, at=at(seconds), subject=pod, **words)


def a_sample(seconds: float, depth: int, state: LaneState, **changes: Any) -> LaneSample:
    sample = LaneSample(
        owner="scheduler-0",
        cluster="shard-0",
        at=at(seconds),
        state=state,
        depth=depth,
        rate=50.0,
    )
    return msgspec.structs.replace(sample, **changes)


class Way:
    """Puts the facts of a run together, in the order in which they come to be known."""

    def __init__(self, **recorded: Any) -> None:
        spec = a_template_spec(
            runtime_environment=RuntimeEnvironment(deadline_seconds=30, maximum_retries=2)
        )
        first = {"algorithm": KEY.algorithm, "id": KEY.request_id, "applied_configuration": spec}
        self._run = a_checkpoint(**{**first, **recorded})
        self._cluster = "shard-0"
        self._events: list[RunEvent] = []
        self._samples: list[LaneSample] = []
        self._ahead: Ahead | None = None

    def of_no_known_cluster(self) -> Self:
        self._cluster = ""
        return self

    def open(self, seconds: float, depth: int, rate: float = 50.0) -> Self:
        self._samples.append(a_sample(seconds, depth, LaneState.OPEN, rate=rate))
        return self

    def refused(self, seconds: float, reason: str) -> Self:
        sample = a_sample(seconds, 80, LaneState.REFUSED, rate=25.0, reason=reason)
        self._samples.append(sample)
        return self

    def behind(self, runs: int, *, or_more: bool = False) -> Self:
        self._ahead = Ahead(runs, or_more)
        return self

    def submitted(self, seconds: float) -> Self:
        return self.recorded(
            lifecycle_stage=Stage.RUNNING,
            sent_at=at(seconds),
            last_modified=at(seconds),
            job_uid="uid-1",
        )

    def saw(self, kind: RunEventKind, seconds: float, pod: str = "", **words: str) -> Self:
        self._events.append(an_event(kind, seconds, pod, **words))
        return self

    def started(self, seconds: float, pod: str = "pod-1", node: str = "node-1") -> Self:
        self.saw(RunEventKind.SCHEDULED, seconds, pod, reason=node)
        return self.saw(RunEventKind.STARTED, seconds + 2, pod)

    def ended(self, seconds: float, code: int, reason: str, pod: str = "pod-1") -> Self:
        message = f"exit code {code}"
        return self.saw(RunEventKind.ENDED, seconds, pod, reason=reason, message=message)

    def finished(self, seconds: float, stage: Stage, cause: str = "", details: str = "") -> Self:
        return self.recorded(
            lifecycle_stage=stage,
            last_modified=at(seconds),
            algorithm_failure_cause=cause,
            algorithm_failure_details=details,
            result_uri="s3a://results/1" if stage is Stage.COMPLETED else "",
        )

    def recorded(self, **changes: Any) -> Self:
        self._run = msgspec.structs.replace(self._run, **changes)
        return self

    def known_at(self, seconds: float, *missing: str) -> Facts:
        return Facts(
            checkpoint=self._run,
            now=at(seconds),
            cluster=self._cluster,
            events=tuple(self._events),
            samples=tuple(self._samples),
            ahead=self._ahead,
            missing=missing,
        )
