"""What a stage of KWOK is made of: when it applies, how long it waits, what it then does."""

from collections.abc import Sequence
from typing import Any

Stage = dict[str, Any]
Part = dict[str, Any]
"""A condition, a delay or a step of a stage."""


def stage(
    kind: str,
    name: str,
    when: Sequence[Part],
    steps: Sequence[Part],
    delay: Part | None = None,
) -> Stage:
    """Return a stage: where all of `when` hold, and after a delay, its steps are taken."""
    spec: dict[str, Any] = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": list(when)},
        "steps": list(steps),
    }
    if delay:
        spec["delay"] = delay
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": spec,
    }


def condition(key: str, operator: str, *values: str) -> Part:
    """Return a condition on what the jq expression `key` yields.

    The operator is `In` or `NotIn`, which take values, `Exists` or `DoesNotExist`, which take none.
    """
    taken = {"values": list(values)} if values else {}
    return {"jq": {"key": key, "operator": operator, **taken}}


def delay_of(annotation: str, default_milliseconds: int) -> Part:
    """Return a delay that an annotation of the pod may set."""
    return {
        "durationMilliseconds": default_milliseconds,
        "durationFrom": {"jq": {"expression": f'.metadata.annotations["{annotation}"]'}},
    }


def status(template: str) -> Part:
    """Return the step that merges what a template renders to into the status."""
    return {"patch": {"subresource": "status", "root": "status", "template": template}}


def spec(template: str) -> Part:
    """Return the step that merges what a template renders to into the spec."""
    return {"patch": {"root": "spec", "template": template}}


def event(kind: str, reason: str, message: str, *, of_container: bool = True) -> Part:
    """Return the step that tells an event of the pod, or of its first container.

    `message` is an expression over that container, in which `$pod` is the pod.
    The event is a resource to apply: the words of a stage's own events can't name pod or image.
    """
    path = '{{ printf "spec.containers{%s}" .name | Quote }}' if of_container else '""'
    template = f"""\
{{{{ $now := Now }}}}
{{{{ $pod := . }}}}
{{{{ with index .spec.containers 0 }}}}
apiVersion: v1
kind: Event
metadata:
  generateName: {{{{ printf "%s." $pod.metadata.name | Quote }}}}
  namespace: {{{{ $pod.metadata.namespace | Quote }}}}
involvedObject:
  apiVersion: v1
  kind: Pod
  name: {{{{ $pod.metadata.name | Quote }}}}
  namespace: {{{{ $pod.metadata.namespace | Quote }}}}
  uid: {{{{ $pod.metadata.uid | Quote }}}}
  resourceVersion: {{{{ $pod.metadata.resourceVersion | Quote }}}}
  fieldPath: {path}
type: {kind}
reason: {reason}
message: {{{{ {message} | Quote }}}}
count: 1
firstTimestamp: {{{{ $now | Quote }}}}
lastTimestamp: {{{{ $now | Quote }}}}
source: {{component: kubelet, host: {{{{ $pod.spec.nodeName | Quote }}}}}}
reportingComponent: kubelet
reportingInstance: {{{{ $pod.spec.nodeName | Quote }}}}
{{{{ end }}}}
"""
    return {"apply": {"template": template}}
