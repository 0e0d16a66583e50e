"""Schemas of core Kubernetes types that stand in our resources.

They say the fields that our own rules look at, and let all others through as they are: a field that
a later Kubernetes adds reaches the Job, and mistakes in the others are told when the Job is made.
"""

from nexus_core.domain import template_rules
from nexus_core.domain.text_rules import ENVIRONMENT_NAME, MOUNT_PATH, VOLUME_NAME
from tools.crds.expressions import refusing, rule, text
from tools.crds.schemas import Schema, described

_OPEN: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_STRING: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}


def _open(words: str, properties: dict[str, Schema], **more: object) -> Schema:
    return described(words, _OPEN | ({"properties": properties} if properties else {}) | more)


def _reference(words: str) -> Schema:
    properties = {
        "name": described("Its name, in the namespace of the runs.", _STRING),
        "optional": described("Whether runs start without it.", _BOOLEAN),
    }
    return _open(words, properties)


def _names(reference: str) -> str:
    place = f"self.{reference}"
    return f"(has({place}) && has({place}.name) && {place}.name != '')"


ENV_VAR = _open(
    "A core `EnvVar`.",
    {
        "name": described("The variable's name.", _STRING | text(ENVIRONMENT_NAME)),
        "value": described("Its value, as text: put numbers into quotes.", _STRING),
        "valueFrom": _open(
            "Where its value is: `secretKeyRef`, `configMapKeyRef`, `fieldRef` and so on.",
            {},
            minProperties=1,
        ),
    },
    required=["name"],
    **refusing(
        rule(
            "!has(self.value) || self.value == '' || !has(self.valueFrom)",
            template_rules.MUST_HAVE_ONE_VALUE,
        )
    ),
)

ENV_FROM_SOURCE = _open(
    "A core `EnvFromSource`.",
    {
        "prefix": described("What the names of its variables begin with.", _STRING),
        "configMapRef": _reference("A config map whose keys become variables."),
        "secretRef": _reference("A secret whose keys become variables."),
    },
    **refusing(
        rule(
            f"{_names('configMapRef')} != {_names('secretRef')}",
            template_rules.MUST_NAME_A_SOURCE,
        )
    ),
)

VOLUME_MOUNT = _open(
    "A core `VolumeMount`; its volume is made of what the entry is named after.",
    {
        "name": described(
            "The volume's name; unique among all mounts.", _STRING | text(VOLUME_NAME)
        ),
        "mountPath": described(
            "Where it is in the container; unique among all mounts.", _STRING | text(MOUNT_PATH)
        ),
        "subPath": described("A path in the volume to mount instead of its root.", _STRING),
        "readOnly": described("Whether the run may not write to it.", _BOOLEAN),
    },
    required=["name", "mountPath"],
)

TOLERATION = _open(
    "A core `Toleration`.",
    {
        "key": described("The taint's key; empty: any.", _STRING),
        "operator": described("How the values compare, such as `Equal` or `Exists`.", _STRING),
        "value": described("The taint's value.", _STRING),
        "effect": described("The taint's effect; empty: any.", _STRING),
        "tolerationSeconds": described(
            "For how long a taint of effect `NoExecute` is tolerated; none: for ever.",
            {"type": "integer", "format": "int64"},
        ),
    },
)

AFFINITY = _open(
    "A core `Affinity` of the pods.",
    {
        "nodeAffinity": _open("Which nodes the pods go to.", {}),
        "podAffinity": _open("Which pods they go near.", {}),
        "podAntiAffinity": _open("Which pods they keep away from.", {}),
    },
)
