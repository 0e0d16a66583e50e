"""What people may get wrong in a resource, and who tells them: both catalogue and API server."""

from typing import Any, NamedTuple

import msgspec

from nexus_core.domain.template import TEMPLATE_KIND, WORKGROUP_KIND
from support.manifests import a_manifest

EVERYTHING: dict[str, Any] = {
    "container": {
        "image": "team/hello-world",
        "registry": "registry.test:5000/algorithms",
        "versionTag": "v1.0_2",
        "serviceAccountName": "runner",
    },
    "command": "python3 -u main.py",
    "args": ["--sas-uri=%s"],
    "computeResources": {
        "cpuLimit": "1",
        "memoryLimit": "500Mi",
        "limits": {"cpu": 2, "memory": "1Gi", "ephemeral-storage": "0"},
        "requests": {"cpu": "1500m", "memory": "1Gi"},
        "defaultResourceQuota": "0.5",
        "customResources": {"nvidia.com/gpu": "1"},
    },
    "workgroupRef": {"name": "default", "kind": "NexusAlgorithmWorkgroup", "group": "any"},
    "payloadConfiguration": {"payloadValidFor": "24h", "payloadSerialization": "backend"},
    "runtimeEnvironment": {
        "environmentVariables": [
            {"name": "LEVEL", "value": "3"},
            {"name": "EMPTY"},
            {"name": "NEXUS__ALGORITHM_NAME", "value": "overridden by Nexus' own"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "mappedEnvironmentVariables": [{"secretRef": {"name": "s"}, "prefix": "S_"}],
        "configurationFileMounts": {"settings": {"name": "settings", "mountPath": "/settings"}},
        "secretFileMounts": {"keys": {"name": "keys", "mountPath": "/keys", "readOnly": True}},
        "storageMounts": {"emptyDir": {"name": "scratch", "mountPath": "/scratch"}},
        "annotations": {"team.test/owner": "science"},
        "deadlineSeconds": 60,
        "maximumRetries": 0,
    },
    "errorHandlingBehaviour": {"transientExitCodes": [1, 137], "fatalExitCodes": [255]},
    "datadogIntegrationSettings": {"mountDatadogSocket": True},
}
"""The spec of a template that uses every field."""

A_WORKGROUP: dict[str, Any] = {
    "cluster": "shard-0",
    "description": "Nodes with much memory",
    "capabilities": {"gpu": False},
    "tolerations": [{"key": "dedicated", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
}
"""The spec of a workgroup that uses every field."""


class Mistake(NamedTuple):
    """A sound spec but for one value."""

    path: str
    """Of the value, dotted, below `spec`."""
    value: Any
    field: str = ""
    """What the catalogue calls the field, below `spec`; empty: as `path`."""
    words: str = ""
    """What the API server says; empty: the same as the catalogue."""
    kind: str = TEMPLATE_KIND

    def manifest(self, name: str) -> dict[str, Any]:
        spec = EVERYTHING if self.kind == TEMPLATE_KIND else A_WORKGROUP
        return a_manifest(self.kind, name, changed(spec, self.path, self.value))


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a spec with another value at a dotted path; `|` in a name stands for a dot."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec))
    *parents, last = (name.replace("|", ".") for name in path.split("."))
    place = document
    for name in parents:
        place = place[name]
    place[last] = value
    return document


_VARIABLES = "runtimeEnvironment.environmentVariables"
_SOURCES = "runtimeEnvironment.mappedEnvironmentVariables"
_CLAIM = "runtimeEnvironment.storageMounts"


def _variable(field: str, words: str = "", **variable: Any) -> Mistake:
    return Mistake(_VARIABLES, [{"name": "LEVEL"}, variable], f"{_VARIABLES}[1]{field}", words)


def _source(**source: Any) -> Mistake:
    return Mistake(_SOURCES, [source], f"{_SOURCES}[0]")


def _mount(field: str, words: str = "", **mount: Any) -> Mistake:
    return Mistake(_CLAIM, {"claim": mount}, f"{_CLAIM}.claim.{field}", words)


MISTAKES: tuple[Mistake, ...] = (
    Mistake("container.image", ""),
    Mistake("container.image", "Hello"),
    Mistake("container.image", "hello:1"),
    Mistake("container.image", "x" * 256, words="Too long: may not be more than 255"),
    Mistake("container.registry", "registry.test/"),
    Mistake("container.versionTag", ".1"),
    Mistake("container.versionTag", "x" * 129),
    Mistake("container.serviceAccountName", "Not A Name"),
    Mistake("command", ""),
    Mistake("command", " \t"),
    Mistake("args", ["--sas-uri", "%s"], "args[0]"),
    Mistake("args", ["--request-id=", "%s"], "args[0]"),
    Mistake("computeResources.cpuLimit", "much"),
    Mistake("computeResources.cpuLimit", "0"),
    Mistake("computeResources.memoryLimit", "500MB"),
    Mistake("computeResources.memoryLimit", "-1"),
    Mistake("computeResources.limits.cpu", 0, words="cpu must be above 0"),
    Mistake("computeResources.limits.memory", "0", words="memory must be above 0"),
    Mistake("computeResources.limits.cpu", "nan"),
    Mistake("computeResources.limits.ephemeral-storage", "-1"),
    Mistake("computeResources.limits.ephemeral-storage", -1),
    Mistake("computeResources.limits.not a resource", "1"),
    Mistake("computeResources.requests.cpu", "2001m"),
    Mistake("computeResources.requests.cpu", 3),
    Mistake("computeResources.requests.memory", ""),
    Mistake(
        "computeResources",
        {"cpuLimit": "1", "limits": {"memory": "1Gi"}, "requests": {"cpu": "1100m"}},
        "computeResources.requests.cpu",
    ),
    Mistake(
        "computeResources",
        {"memoryLimit": "1Gi", "requests": {"memory": "1025Mi"}},
        "computeResources.requests.memory",
    ),
    Mistake("computeResources.defaultResourceQuota", "0"),
    Mistake("computeResources.defaultResourceQuota", "1.01"),
    Mistake("computeResources.defaultResourceQuota", "a tenth"),
    Mistake("computeResources.customResources.nvidia|com/gpu", "half"),
    Mistake("computeResources.customResources.nvidia|com/gpu", "500m"),
    Mistake("computeResources.customResources.nvidia|com/gpu", "-1"),
    Mistake("computeResources.customResources.a gpu", "1"),
    Mistake("workgroupRef.name", ""),
    Mistake("workgroupRef.name", "../default"),
    Mistake("workgroupRef.kind", "Workgroup", words='supported values: "", "Nexus'),
    Mistake("payloadConfiguration.payloadValidFor", "1 day"),
    Mistake("payloadConfiguration.payloadValidFor", "24"),
    Mistake("payloadConfiguration.payloadValidFor", "0s"),
    Mistake("payloadConfiguration.payloadValidFor", "-1h"),
    Mistake(
        "payloadConfiguration.payloadSerialization",
        "S3",
        words='supported values: "", "s3", "backend"',
    ),
    _variable(".name", words="Required value"),
    _variable(".name", name=""),
    _variable(".name", name="1ST"),
    _variable(".name", name="A=B"),
    _variable(".name", name="LEVEL", value="again", words="Duplicate value"),
    _variable(".value", name="N", value=1, words="must be of type string"),
    _variable(".valueFrom", name="N", valueFrom="secret", words="must be of type object"),
    _variable(".valueFrom", name="N", valueFrom={}, words="should have at least 1 properties"),
    _variable("", name="N", value="1", valueFrom={"fieldRef": {"fieldPath": "x"}}),
    _source(),
    _source(prefix="P_"),
    _source(secretRef={}),
    _source(secretRef={"name": ""}),
    _source(secretRef={"name": "a"}, configMapRef={"name": "b"}),
    _mount("name", mountPath="/x", words="Required value"),
    _mount("name", name="Not_A_Label", mountPath="/x"),
    _mount("name", name="keys", mountPath="/x", words="the name of every mount must be unique"),
    _mount("name", name="dsdsocket", mountPath="/x", words="no mount may be named dsdsocket"),
    _mount("mountPath", name="x", words="Required value"),
    _mount("mountPath", name="x", mountPath=""),
    _mount("mountPath", name="x", mountPath="/a:b"),
    _mount(
        "mountPath",
        name="x",
        mountPath="/keys",
        words="the mountPath of every mount must be unique",
    ),
    Mistake(_CLAIM, {"": {"name": "x", "mountPath": "/x"}}),
    Mistake("runtimeEnvironment.annotations.not a key", ""),
    Mistake("runtimeEnvironment.deadlineSeconds", 0, words="greater than or equal to 1"),
    Mistake("runtimeEnvironment.maximumRetries", -1, words="greater than or equal to 0"),
    Mistake("runtimeEnvironment.maximumRetries", 2**31, words="less than or equal to 2147483647"),
    Mistake("errorHandlingBehaviour.fatalExitCodes", [0], words="greater than or equal to 1"),
    Mistake("errorHandlingBehaviour.fatalExitCodes", [256], words="less than or equal to 255"),
    Mistake("errorHandlingBehaviour.transientExitCodes", [3, 3], words="Duplicate value: 3"),
    Mistake("cluster", "", kind=WORKGROUP_KIND),
    Mistake("cluster", "Shard", kind=WORKGROUP_KIND),
    Mistake("cluster", "a..b", kind=WORKGROUP_KIND),
)
"""Those that both tell."""

TOLD_BY_THE_CATALOGUE: tuple[Mistake, ...] = (
    Mistake("computeResources.limits.memory", "1e400"),
    Mistake("computeResources.limits.memory", "9Ei"),
    Mistake("payloadConfiguration.payloadValidFor", "1ns"),
)
"""Beyond what the API server's rules can say; a resource's condition says it."""
