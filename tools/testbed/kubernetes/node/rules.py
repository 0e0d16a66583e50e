"""What a cluster must know of its real node."""

from typing import Any

from tools.testbed.ports import LOOPBACK

NODE = "real"

LABEL = "testbed.nexus/node"
"""The node carries it with its own name, so that affinity finds it."""

TAINT = "testbed.nexus/real"
"""Keeps from the node whoever doesn't tolerate it, as no algorithm is really there elsewhere."""

_ADMISSION = "admissionregistration.k8s.io/v1"
_TOLERATES = (
    "has(object.spec.tolerations) && "
    f"object.spec.tolerations.exists(one, has(one.key) && one.key == '{TAINT}')"
)


def taint() -> dict[str, str]:
    """Return the taint of the node."""
    return {"key": TAINT, "value": "true", "effect": "NoSchedule"}


def addresses() -> list[dict[str, str]]:
    """Return where the API server finds the node's kubelet, and by what name it goes."""
    return [
        {"type": "InternalIP", "address": LOOPBACK},
        {"type": "Hostname", "address": NODE},
    ]


def network_policy() -> dict[str, Any]:
    """Return what puts pods that may run on the node into the machine's network.

    So they reach stores and receivers on loopback, and nothing of the machine's network is changed.
    """
    return {
        "apiVersion": _ADMISSION,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": NODE},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ]
            },
            "matchConditions": [{"name": "tolerates-the-node", "expression": _TOLERATES}],
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {
                        "expression": "Object{spec: Object.spec{hostNetwork: true}}"
                    },
                }
            ],
        },
    }


def network_binding() -> dict[str, Any]:
    """Return what puts the policy into force."""
    return {
        "apiVersion": _ADMISSION,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": NODE},
        "spec": {"policyName": NODE},
    }


def rights() -> dict[str, Any]:
    """Return what lets nodes do what nodes do; it comes without a binding."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "testbed-nodes"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:node",
        },
        "subjects": [
            {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Group",
                "name": "system:nodes",
            }
        ],
    }
