"""Jobs, pods and events of runs, as far as they are read; and which run each belongs to."""

from datetime import datetime

import msgspec

from nexus_core.adapters.kubernetes.objects import ObjectMeta
from nexus_core.domain.job_manifest import COMPONENT_LABEL, RUN_COMPONENT, TEMPLATE_NAME_LABEL
from nexus_core.domain.names import RunKey

RUN_SELECTOR = f"{COMPONENT_LABEL}={RUN_COMPONENT}"
"""Selects the Jobs and pods of runs, and nothing else."""

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
"""The Job controller's label on pods."""


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of an object; fields without a meaning here are not read."""


class JobCondition(_Wire, frozen=True):
    """Something that is so of a Job, or was."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class JobSpec(_Wire, frozen=True):
    """What is asked of a Job."""

    suspend: bool = False


class JobState(_Wire, frozen=True):
    """The status of a Job, as its controller writes it."""

    conditions: tuple[JobCondition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None
    active: int = 0
    ready: int = 0
    succeeded: int = 0


class Job(_Wire, frozen=True):
    """The Job of a run."""

    metadata: ObjectMeta
    spec: JobSpec = JobSpec()
    status: JobState = JobState()


class Waiting(_Wire, frozen=True):
    """A container that does not run, and is to."""

    reason: str = ""
    message: str = ""


class Running(_Wire, frozen=True):
    """A container that runs."""

    started_at: datetime | None = None


class Terminated(_Wire, frozen=True):
    """A container that has ended."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(_Wire, frozen=True):
    """At most one of the three."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Wire, frozen=True):
    """What a kubelet says of a container."""

    name: str
    image: str = ""
    restart_count: int = 0
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodCondition(_Wire, frozen=True):
    """Something that is so of a pod, or is not."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class PodSpec(_Wire, frozen=True):
    """What is asked of a pod, and where it is."""

    node_name: str = ""


class PodState(_Wire, frozen=True):
    """The status of a pod, as its kubelet writes it."""

    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[PodCondition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(_Wire, frozen=True):
    """A pod of a run: one try of its Job."""

    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodState = PodState()

    @property
    def job_name(self) -> str:
        """The Job that it belongs to, which is named like the run."""
        labels = self.metadata.labels
        return labels.get(JOB_NAME_LABEL) or labels.get("job-name", "")


class InvolvedObject(_Wire, frozen=True):
    """What an event is about."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    field_path: str = ""
    """Such as `spec.containers{main}`, where it is about a container of a pod."""


class EventSeries(_Wire, frozen=True):
    """That an event was repeated."""

    last_observed_time: datetime | None = None


class Event(_Wire, frozen=True):
    """Something that happened to an object; kept for an hour, as a rule."""

    metadata: ObjectMeta
    involved_object: InvolvedObject = InvolvedObject()
    reason: str = ""
    message: str = ""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None

    @property
    def first_at(self) -> datetime | None:
        """When it happened first."""
        return self.first_timestamp or self.event_time or self.metadata.creation_timestamp

    @property
    def at(self) -> datetime | None:
        """When it happened last; which field says so depends on who wrote it."""
        repeated = self.series.last_observed_time if self.series else None
        return (
            repeated or self.last_timestamp or self.event_time or self.metadata.creation_timestamp
        )


def run_of(metadata: ObjectMeta, name: str = "") -> RunKey | None:
    """Return the run that a labelled object belongs to; None when its labels don't say.

    `name` is that of the run's Job, where the object is not the Job itself.
    """
    algorithm = metadata.labels.get(TEMPLATE_NAME_LABEL)
    return RunKey(algorithm, name or metadata.name) if algorithm else None
