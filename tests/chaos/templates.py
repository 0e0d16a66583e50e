"""The templates of the load: one a kind of ending."""

from typing import Any

from chaos.orders import Kind
from nexus_core.domain.template import API_GROUP

WORKGROUP = "chaos"

# Far beyond what anything here takes, a clock that jumps included.
_LONG = 600

_RUNTIME: dict[Kind, dict[str, Any]] = {
    Kind.OVERSTAYS: {"deadlineSeconds": 2, "maximumRetries": 0},
    Kind.TAKES_MEMORY: {"deadlineSeconds": _LONG, "maximumRetries": 0},
}
_EXIT_CODES = {"transientExitCodes": [23], "fatalExitCodes": [17]}
_KILLED_IS_FATAL = {"fatalExitCodes": [137]}


def workgroup(cluster: str) -> dict[str, Any]:
    """Return the workgroup of all algorithms."""
    return _manifest("NexusAlgorithmWorkgroup", WORKGROUP, {"cluster": cluster})


def template(
    kind: Kind,
    command: str,
    environment: dict[str, str],
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the template of a kind of ending, whose algorithm is a command."""
    # Without a limit nobody looks at its memory, which would cost more than all the rest.
    limits = {"memory": "48Mi"} if kind is Kind.TAKES_MEMORY else {}
    retries = {"deadlineSeconds": _LONG, "maximumRetries": 1}
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    return _manifest(
        "NexusAlgorithmTemplate",
        kind.value,
        {
            "container": {"registry": "registry.test", "image": "chaos", "versionTag": "1"},
            "command": "chaos-without-a-program" if kind is Kind.DOES_NOT_START else command,
            "computeResources": {"limits": {"cpu": "100m", **limits}},
            "workgroupRef": {
                "name": WORKGROUP,
                "group": API_GROUP,
                "kind": "NexusAlgorithmWorkgroup",
            },
            "runtimeEnvironment": {
                "environmentVariables": variables,
                "annotations": annotations or {},
                **_RUNTIME.get(kind, retries),
            },
            "errorHandlingBehaviour": _KILLED_IS_FATAL
            if kind is Kind.TAKES_MEMORY
            else _EXIT_CODES,
        },
    )


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": f"{API_GROUP}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }
