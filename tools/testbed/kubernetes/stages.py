"""The stages of KWOK: out of which state, after how long, into which state, and with which events.

Rendered to plain dicts; KWOK reads them from a YAML file. The words of events are a kubelet's.
"""

from collections.abc import Iterator, Sequence

from tools.testbed.kubernetes import pod_status
from tools.testbed.kubernetes.outcomes import (
    DEFAULT_DURATION_MILLISECONDS,
    DURATION,
    KILLED,
    OUTCOME,
    OUTCOME_UNTIL,
    START_DELAY,
    STARTS,
    Outcome,
)
from tools.testbed.kubernetes.stage_parts import (
    Part,
    Stage,
    condition,
    delay_of,
    event,
    spec,
    stage,
    status,
)

PULL_BACK_OFF_MILLISECONDS = 500
"""Between a failed pull and the back-off; some seconds on a real node."""

_EFFECTIVE_OUTCOME = (
    f'if (.metadata.annotations["{OUTCOME_UNTIL}"] // "9999") > .metadata.creationTimestamp '
    f'then .metadata.annotations["{OUTCOME}"] // "{Outcome.COMPLETES}" '
    f'else "{Outcome.COMPLETES}" end'
)

_ENDS = {
    Outcome.COMPLETES: ("Completed", 0),
    Outcome.FAILS: ("Error", 1),
    Outcome.OUT_OF_MEMORY: ("OOMKilled", KILLED),
}
"""Reason and exit code of the outcomes after which a pod is over."""

_NOT_FOUND = (
    'printf "failed to pull and unpack image %q: '
    'failed to resolve reference %q: %s: not found" .image .image .image'
)
_PULL_BACK_OFF = 'printf "Back-off pulling image %q" .image'
_NO_CONFIG = 'print "configmap \\"settings\\" not found"'


_NODE_STATUS = """\
{{ $now := Now }}
phase: Running
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ .metadata.name | Quote }}}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
{{ range $part := list "capacity" "allocatable" }}
{{ $part }}:
  cpu: "100000"
  memory: 100Ti
  ephemeral-storage: 100Ti
  pods: "1000000"
  nvidia.com/gpu: "1000"
{{ end }}
nodeInfo:
  architecture: amd64
  bootID: ""
  containerRuntimeVersion: kwok
  kernelVersion: ""
  kubeProxyVersion: ""
  kubeletVersion: kwok
  machineID: ""
  operatingSystem: linux
  osImage: ""
  systemUUID: ""
"""


def stages() -> list[Stage]:
    """All stages. The order says nothing: at any time at most one of them fits a pod."""
    return [
        _node_ready(),
        _starts(),
        *(_ends(outcome) for outcome in _ENDS),
        _crash_loops(),
        _evicted(),
        *_image_missing(),
        _config_missing(),
        _never_starts(),
        _deleted(),
    ]


def _starts() -> Stage:
    return stage(
        "Pod",
        "pod-starts",
        [*_unstarted(), _is_one_of(STARTS)],
        [
            status(pod_status.running()),
            event("Normal", "Started", 'print "Container started"'),
        ],
        delay=delay_of(START_DELAY, 0),
    )


def _ends(outcome: Outcome) -> Stage:
    return stage(
        "Pod",
        f"pod-{outcome}",
        [*_running(), _is_one_of([outcome])],
        [status(pod_status.ended(*_ENDS[outcome]))],
        delay=delay_of(DURATION, DEFAULT_DURATION_MILLISECONDS),
    )


def _crash_loops() -> Stage:
    message = (
        'printf "Back-off restarting failed container %s in pod %s_%s(%s)" '
        ".name $pod.metadata.name $pod.metadata.namespace $pod.metadata.uid"
    )
    return stage(
        "Pod",
        "pod-crash-loops",
        [*_running(), _is_one_of([Outcome.CRASH_LOOPS])],
        [status(pod_status.crash_looping()), event("Warning", "BackOff", message)],
        delay=delay_of(DURATION, DEFAULT_DURATION_MILLISECONDS),
    )


def _evicted() -> Stage:
    return stage(
        "Pod",
        "pod-evicted",
        [*_running(), _is_one_of([Outcome.EVICTED])],
        [
            status(pod_status.evicted()),
            event("Warning", "Evicted", 'print "The node was low on resource: memory. "'),
        ],
        delay=delay_of(DURATION, DEFAULT_DURATION_MILLISECONDS),
    )


def _image_missing() -> Iterator[Stage]:
    yield stage(
        "Pod",
        "pod-image-missing",
        [*_unstarted(), _is_one_of([Outcome.IMAGE_MISSING])],
        [
            status(pod_status.waiting("ErrImagePull", _NOT_FOUND)),
            event(
                "Warning", "Failed", f'{_NOT_FOUND} | printf "Failed to pull image %q: %s" .image'
            ),
            event("Warning", "Failed", 'print "Error: ErrImagePull"'),
        ],
        delay=delay_of(START_DELAY, 0),
    )
    yield stage(
        "Pod",
        "pod-image-back-off",
        [_alive(), _waits_for("ErrImagePull")],
        [
            status(pod_status.waiting("ImagePullBackOff", _PULL_BACK_OFF)),
            event("Normal", "BackOff", _PULL_BACK_OFF),
            event("Warning", "Failed", 'print "Error: ImagePullBackOff"'),
        ],
        delay={"durationMilliseconds": PULL_BACK_OFF_MILLISECONDS},
    )


def _config_missing() -> Stage:
    return stage(
        "Pod",
        "pod-config-missing",
        [*_unstarted(), _is_one_of([Outcome.CONFIG_MISSING])],
        [
            status(pod_status.waiting("CreateContainerConfigError", _NO_CONFIG)),
            event("Warning", "Failed", f'{_NO_CONFIG} | printf "Error: %s"'),
        ],
        delay=delay_of(START_DELAY, 0),
    )


def _never_starts() -> Stage:
    message = (
        'print "MountVolume.SetUp failed for volume \\"data\\" : configmap \\"data\\" not found"'
    )
    return stage(
        "Pod",
        "pod-never-starts",
        [*_unstarted(), _is_one_of([Outcome.NEVER_STARTS])],
        [
            status(pod_status.waiting("ContainerCreating")),
            event("Warning", "FailedMount", message, of_container=False),
        ],
    )


def _deleted() -> Stage:
    """A kubelet ends the containers first, says so, and only then lets the pod go.

    The last deletion, with no grace, must be sent once: a finalizer may keep the pod a while.
    """
    return stage(
        "Pod",
        "pod-deleted",
        [
            condition(".metadata.deletionTimestamp", "Exists"),
            condition("(.metadata.deletionGracePeriodSeconds // 0) > 0 | tostring", "In", "true"),
        ],
        [status(pod_status.killed()), {"delete": True}],
    )


def _node_ready() -> Stage:
    """A node becomes ready, with room for many runs.

    Its taint comes from the API server. The controller that takes taints away also watches
    heartbeats, and would drive all pods out when the machine is only busy.
    """
    return stage(
        "Node",
        "node-ready",
        [condition('.status.conditions.[]? | select(.type == "Ready") | .status', "NotIn", "True")],
        [status(_NODE_STATUS), spec("taints: null\n")],
    )


def _unstarted() -> list[Part]:
    return [
        condition(".status.phase", "In", "Pending"),
        condition(".status.containerStatuses", "DoesNotExist"),
        _alive(),
    ]


def _running() -> list[Part]:
    return [
        condition(".status.phase", "In", "Running"),
        condition(".status.containerStatuses.[]?.state.running", "Exists"),
        _alive(),
    ]


def _alive() -> Part:
    return condition(".metadata.deletionTimestamp", "DoesNotExist")


def _waits_for(reason: str) -> Part:
    return condition(".status.containerStatuses.[]?.state.waiting.reason", "In", reason)


def _is_one_of(outcomes: Sequence[Outcome]) -> Part:
    return condition(_EFFECTIVE_OUTCOME, "In", *map(str, outcomes))
