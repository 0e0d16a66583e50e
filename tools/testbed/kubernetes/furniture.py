"""What a fresh cluster is given: nodes, namespaces, accounts and their rights."""

from typing import Any

from tools.testbed.kubernetes.flags import KWOK_LABEL, KWOK_NODE
from tools.testbed.kubernetes.outcomes import DURATION

DEPLOY_NAMESPACE = "nexus"
"""Where templates, workgroups and services live."""

NAMESPACE = "nexus-runs"
"""Where runs go."""

SECOND_NAMESPACE = "nexus-runs-1"
"""Where the runs of a second shard go, which is the same cluster."""

ACCOUNT = "nexus"
"""May do what scheduler, receiver and supervisor need, and nothing else."""

STRANGER = "stranger"
"""Is known, and may do nothing."""

NODES = 4

GROUP = "science.sneaksanddata.com"
_CATALOGUE = ["nexusalgorithmtemplates", "nexusalgorithmworkgroups"]
_READ = ["get", "list", "watch"]


def namespaces() -> list[dict[str, Any]]:
    """Return the namespaces, for `/api/v1/namespaces`."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        for name in (DEPLOY_NAMESPACE, NAMESPACE, SECOND_NAMESPACE)
    ]


def nodes() -> list[dict[str, Any]]:
    """Return the nodes, for `/api/v1/nodes`; KWOK makes them ready."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, KWOK_LABEL: KWOK_NODE},
            },
        }
        for name in (f"kwok-{number}" for number in range(NODES))
    ]


def accounts() -> list[dict[str, Any]]:
    """Return the service accounts, for the deploy namespace."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        for name in (ACCOUNT, STRANGER)
    ]


def role() -> dict[str, Any]:
    """Return the least rights that the services need in a namespace; bound in each of them."""
    rules = [
        {
            "apiGroups": ["batch"],
            "resources": ["jobs"],
            "verbs": [*_READ, "create", "delete", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods", "events"], "verbs": _READ},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": [GROUP], "resources": _CATALOGUE, "verbs": _READ},
        {
            "apiGroups": [GROUP],
            "resources": [f"{name}/status" for name in _CATALOGUE],
            "verbs": ["get", "patch", "update"],
        },
    ]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": ACCOUNT},
        "rules": rules,
    }


def binding() -> dict[str, Any]:
    """Return what gives the account its role, for each namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": ACCOUNT,
        },
        "subjects": [
            {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": DEPLOY_NAMESPACE},
        ],
    }


def proof() -> dict[str, Any]:
    """Return a Job that ends at once, where controllers, scheduler and KWOK do their part."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "proof"},
        "spec": {
            "template": {
                "metadata": {"annotations": {DURATION: "0s"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "proof", "image": "proof"}],
                },
            }
        },
    }
