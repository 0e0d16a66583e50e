"""What a pod of the testbed may do, and the annotations by which its Job asks for it.

The annotations of an algorithm's template land on Job and pod; so a test says in the template what
its runs do. Nothing here is known to Nexus itself.
"""

from enum import StrEnum

OUTCOME = "testbed.nexus/outcome"
"""One of `Outcome`, by default `completes`. A pod with an unknown one is left alone, pending."""

OUTCOME_UNTIL = "testbed.nexus/outcome-until"
"""A time as `2026-01-31T12:00:00Z`. Pods created then or later complete."""

DURATION = "testbed.nexus/duration"
"""How long the container runs, as `250ms`, `1s`, `1m30s`; `DEFAULT_DURATION` without it."""

START_DELAY = "testbed.nexus/start-delay"
"""How long the pod sits on its node before the container starts; no time without it."""

EXIT_CODE = "testbed.nexus/exit-code"
"""The code that the container exits with; without it, that of the outcome. With 0 the pod succeeds,
as it does for a kubelet, whatever the reason says."""

DEFAULT_DURATION_MILLISECONDS = 500
"""Long enough that a run is seen to run, short enough that nobody waits for it."""

PRINTED = ("reading the map", "no way leads to Atlantis")
"""The lines in the log of every pod whose container has started, whatever became of it."""

KILLED = 137
"""What a container exits with that a signal 9 ended."""


class Outcome(StrEnum):
    """What becomes of a pod."""

    COMPLETES = "completes"
    """Starts, runs, exits with 0."""
    FAILS = "fails"
    """Starts, runs, exits with 1, or as `EXIT_CODE` says, for reason `Error`."""
    OUT_OF_MEMORY = "out-of-memory"
    """Starts, runs, is ended for reason `OOMKilled` with 137."""
    RUNS = "runs"
    """Starts, and runs until it is deleted."""
    CRASH_LOOPS = "crash-loops"
    """Starts, exits, and waits for its next start for reason `CrashLoopBackOff`."""
    EVICTED = "evicted"
    """Starts, runs, is driven out by its node, with the condition `DisruptionTarget`."""
    IMAGE_MISSING = "image-missing"
    """Waits for reason `ErrImagePull`, then `ImagePullBackOff`."""
    CONFIG_MISSING = "config-missing"
    """Waits for reason `CreateContainerConfigError`: its container can't be created."""
    NEVER_STARTS = "never-starts"
    """Waits for reason `ContainerCreating`: a volume can't be mounted."""


STARTS = (
    Outcome.COMPLETES,
    Outcome.FAILS,
    Outcome.OUT_OF_MEMORY,
    Outcome.RUNS,
    Outcome.CRASH_LOOPS,
    Outcome.EVICTED,
)
"""The outcomes whose container starts."""
