"""The statuses that KWOK gives to pods, in the words of a real kubelet.

Each function returns a Go template over the pod, which renders to a `status` in YAML. It is merged
into the pod's: conditions by their type, containers' statuses as a whole.
"""

from tools.testbed.kubernetes.outcomes import EXIT_CODE, KILLED

_HEAD = """\
{{ $now := Now }}
{{ $pod := . }}
"""

_ADDRESSES = """\
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
hostIPs: [{ip: {{ NodeIPWith .spec.nodeName | Quote }}}]
startTime: {{ or .status.startTime $now | Quote }}
"""

_POD_IP = """\
{{ $meta := .metadata }}
{{ $ip := PodIPWith .spec.nodeName false $meta.uid $meta.name $meta.namespace }}
podIP: {{ $ip | Quote }}
podIPs: [{ip: {{ $ip | Quote }}}]
"""

_CONTAINER = """\
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
"""

_STARTED_CONTAINER = (
    _CONTAINER
    + """\
  imageID: {{ .image | Quote }}
  containerID: {{ printf "kwok://%s-%s" $pod.metadata.uid .name | Quote }}
"""
)

_RESTART_WORDS = '"back-off 10s restarting failed container=%s pod=%s_%s(%s)"'
_POD_NAMES = "$pod.metadata.name $pod.metadata.namespace $pod.metadata.uid"

_STARTED_AT = (
    "{{ or (index $pod.status.containerStatuses $index).state.running.startedAt $now | Quote }}"
)


def running() -> str:
    """Every container runs, and is ready."""
    return (
        _HEAD
        + "phase: Running\n"
        + _ADDRESSES
        + _POD_IP
        + _conditions(initialized="True", ready="True", sandbox="True")
        + "containerStatuses:\n{{ range .spec.containers }}\n"
        + _STARTED_CONTAINER
        + """\
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
"""
    )


def waiting(reason: str, message: str | None = None) -> str:
    """No container has started: each waits for `reason`, and says `message`, an expression."""
    # Before a container is pulled or made, its pod has a sandbox, which waits for volumes.
    sandbox = "False" if reason == "ContainerCreating" else "True"
    said = f", message: {{{{ {message} | Quote }}}}" if message else ""
    return (
        _HEAD
        + "phase: Pending\n"
        + _ADDRESSES
        + _conditions(
            initialized="True", ready="False", reason="ContainersNotReady", sandbox=sandbox
        )
        + "containerStatuses:\n{{ range .spec.containers }}\n"
        + _CONTAINER
        + f"""\
  imageID: ""
  ready: false
  started: false
  restartCount: 0
  state: {{waiting: {{reason: {reason}{said}}}}}
{{{{ end }}}}
"""
    )


def ended(reason: str, exit_code: int) -> str:
    """Every container has exited, with `exit_code` or what the pod asks for; the pod is over."""
    return (
        _HEAD
        + f"""\
{{{{ $code := int (or (index (or .metadata.annotations dict) "{EXIT_CODE}") {exit_code}) }}}}
{{{{ if eq $code 0 }}}}
phase: Succeeded
"""
        + _conditions(initialized="True", ready="False", reason="PodCompleted", sandbox="False")
        + "{{ else }}\nphase: Failed\n"
        + _conditions(initialized="True", ready="False", reason="PodFailed", sandbox="False")
        + "{{ end }}\n"
        + _terminated(reason, "{{ $code }}")
    )


def killed() -> str:
    """The containers were ended, as the pod is being deleted; one that is over stays as it is."""
    return (
        '{{ if or (eq .status.phase "Succeeded") (eq .status.phase "Failed") }}\n{}\n{{ else }}\n'
        + _HEAD
        + "phase: Failed\n"
        + _conditions(initialized="True", ready="False", reason="PodFailed", sandbox="False")
        + "{{ if .status.containerStatuses }}\n"
        + _terminated("Error", str(KILLED))
        + "{{ end }}\n{{ end }}\n"
    )


def evicted() -> str:
    """The node has driven the pod out."""
    return (
        _HEAD
        + 'phase: Failed\nreason: Evicted\nmessage: "The node was low on resource: memory. "\n'
        + _conditions(initialized="True", ready="False", reason="PodFailed", sandbox="False")
        + """\
- type: DisruptionTarget
  status: "True"
  reason: TerminationByKubelet
  message: "The node was low on resource: memory. "
  lastTransitionTime: {{ $now | Quote }}
"""
        + _terminated("Error", str(KILLED))
    )


def crash_looping() -> str:
    """Every container has exited once, and waits for its next start."""
    ended_state = (
        f"{{exitCode: {{{{ $code }}}}, reason: Error, startedAt: {_STARTED_AT}, "
        "finishedAt: {{ $now | Quote }}}"
    )
    return (
        _HEAD
        + f"""\
{{{{ $code := int (or (index (or .metadata.annotations dict) "{EXIT_CODE}") 1) }}}}
phase: Running
"""
        + _conditions(
            initialized="True", ready="False", reason="ContainersNotReady", sandbox="True"
        )
        + "containerStatuses:\n{{ range $index, $container := .spec.containers }}\n"
        + _STARTED_CONTAINER
        + f"""\
  ready: false
  started: false
  restartCount: 1
  lastState: {{terminated: {ended_state}}}
  state:
    waiting:
      reason: CrashLoopBackOff
      message: {{{{ printf {_RESTART_WORDS} .name {_POD_NAMES} | Quote }}}}
{{{{ end }}}}
"""
    )


def _terminated(reason: str, exit_code: str) -> str:
    return (
        "containerStatuses:\n{{ range $index, $container := .spec.containers }}\n"
        + _STARTED_CONTAINER
        + f"""\
  ready: false
  started: false
  restartCount: 0
  state:
    terminated:
      exitCode: {exit_code}
      reason: {reason}
      startedAt: {_STARTED_AT}
      finishedAt: {{{{ $now | Quote }}}}
{{{{ end }}}}
"""
    )


def _conditions(*, initialized: str, ready: str, sandbox: str, reason: str | None = None) -> str:
    because = f"\n  reason: {reason}" if reason else ""
    return "conditions:\n" + "".join(
        f"""\
- type: {kind}
  status: "{status}"{why}
  lastTransitionTime: {{{{ $now | Quote }}}}
"""
        for kind, status, why in (
            ("PodReadyToStartContainers", sandbox, ""),
            ("Initialized", initialized, ""),
            ("Ready", ready, because),
            ("ContainersReady", ready, because),
        )
    )
