"""The two definitions: names, columns, status, and the schemas of their specs."""

from nexus_core.domain.names import MAX_NAME_LENGTH, RESOURCE_NAME_RULE
from nexus_core.domain.template import (
    API_GROUP,
    TEMPLATE_KIND,
    WORKGROUP_KIND,
    TemplateSpec,
    WorkgroupSpec,
)
from tools.crds.expressions import refusing, rule
from tools.crds.rules import RULES
from tools.crds.schemas import Schema, described, schema_of

_STRING: Schema = {"type": "string"}
_STRINGS: Schema = {"type": "array", "items": _STRING}

_CONDITION = described(
    "What one writer says of the resource.",
    {
        "type": "object",
        "required": ["lastTransitionTime", "message", "reason", "status", "type"],
        "properties": {
            "type": described("What it is about; Nexus' schedulers write `Accepted`.", _STRING),
            "status": described(
                "Whether it is so.", _STRING | {"enum": ["True", "False", "Unknown"]}
            ),
            "reason": described("Why, as one word for programs.", _STRING),
            "message": described("Why, as a sentence that names the field.", _STRING),
            "observedGeneration": described(
                "The `metadata.generation` that was looked at.",
                {"type": "integer", "format": "int64", "minimum": 0},
            ),
            "lastTransitionTime": described(
                "When the status became what it is.", _STRING | {"format": "date-time"}
            ),
        },
    },
)
# No map by type: the Go implementation's controller appends conditions of a type that is there.
_CONDITIONS = described(
    "What is said of the resource, by type.", {"type": "array", "items": _CONDITION}
)
_SYNCED = {
    "syncedSecrets": "Secrets that were copied to the clusters.",
    "syncedConfigurations": "Config maps that were copied to the clusters.",
    "syncedToClusters": "The clusters that they were copied to.",
}

_ACCEPTED = '.status.conditions[?(@.type=="Accepted")]'


def definitions() -> dict[str, Schema]:
    """Return the definitions by the name of their file."""
    template = _definition(
        kind=TEMPLATE_KIND,
        short="nat",
        words="An algorithm that can be run by name: its image, its command, what it may use.",
        spec=schema_of(TemplateSpec, RULES),
        status={name: described(words, _STRINGS) for name, words in _SYNCED.items()},
        columns=[
            _column("Image", ".spec.container.image"),
            _column("Version", ".spec.container.versionTag"),
            _column("Workgroup", ".spec.workgroupRef.name"),
            *_CONDITION_COLUMNS,
            _column("Registry", ".spec.container.registry", wide=True),
            _column("Command", ".spec.command", wide=True),
        ],
    )
    workgroup = _definition(
        kind=WORKGROUP_KIND,
        short="naw",
        words="Where runs go: a cluster, and which of its nodes.",
        spec=schema_of(WorkgroupSpec, RULES),
        status={},
        columns=[
            _column("Cluster", ".spec.cluster"),
            *_CONDITION_COLUMNS,
            _column("Description", ".spec.description", wide=True),
        ],
    )
    return {f"{one['spec']['names']['plural']}.yaml": one for one in (template, workgroup)}


def _column(name: str, path: str, *, kind: str = "string", wide: bool = False) -> Schema:
    column: Schema = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": 1} if wide else {})


_CONDITION_COLUMNS = (
    _column("Accepted", f"{_ACCEPTED}.status"),
    _column("Age", ".metadata.creationTimestamp", kind="date"),
    _column("Message", f"{_ACCEPTED}.message", wide=True),
)


def _definition(
    *, kind: str, short: str, words: str, spec: Schema, status: Schema, columns: list[Schema]
) -> Schema:
    plural = f"{kind.lower()}s"
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": _resource(words, spec, {"conditions": _CONDITIONS} | status)},
    }
    names = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short],
        "categories": ["nexus"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{API_GROUP}"},
        "spec": {"group": API_GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _resource(words: str, spec: Schema, status: Schema) -> Schema:
    resource: Schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": described("The version of this schema.", _STRING),
            "kind": described("What the resource is.", _STRING),
            "metadata": {"type": "object"},
            "spec": spec,
            "status": described(
                "What Nexus says of the resource. Nobody else writes it.",
                {"type": "object", "properties": status},
            ),
        },
    }
    name = rule(f"self.metadata.name.size() <= {MAX_NAME_LENGTH}", RESOURCE_NAME_RULE)
    return described(words, resource | refusing(name))
