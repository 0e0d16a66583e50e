"""What pods of KWOK have printed: the same for all, since none of them runs anything."""

from pathlib import Path

from tools.testbed.kubernetes.outcomes import PRINTED

_AT = "2026-01-01T00:00:00.000000000Z"


def log() -> str:
    """Return a container's log as its runtime would write it."""
    return "".join(f"{_AT} stdout F {line}\n" for line in PRINTED)


def of_every_pod(file: Path) -> dict[str, object]:
    """Return the resource that lets KWOK tell a log of every container, and of an earlier one."""
    logs = [{"logsFile": str(file), "previousLogsFile": str(file)}]
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterLogs",
        "metadata": {"name": "printed"},
        "spec": {"logs": logs},
    }
