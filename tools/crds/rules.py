"""What the definitions refuse, by field: the domain's rules, as far as the API server can check.

Where a rule is missing here, the catalogue tells the mistake in the resource's condition. None here
refuses a value that the catalogue takes, but for sizes beyond all sense, and fractions that are no
text.
"""

from typing import Final

from nexus_core.domain import template_rules as said
from nexus_core.domain.durations import DURATION_RULE
from nexus_core.domain.names import RESOURCE_NAME_RULE
from nexus_core.domain.quantities import QUANTITY_RULE, QUOTA_RULE
from nexus_core.domain.template import (
    WORKGROUP_KIND,
    ComputeResources,
    Container,
    ErrorHandlingBehaviour,
    PayloadConfiguration,
    RuntimeEnvironment,
    TemplateSpec,
    WorkgroupRef,
    WorkgroupSpec,
)
from nexus_core.domain.text_rules import (
    ANNOTATION,
    IMAGE,
    REGISTRY,
    RESOURCE_KIND,
    RESOURCE_NAME,
    SERVICE_ACCOUNT,
    VERSION_TAG,
)
from tools.crds import core_types
from tools.crds.expressions import (
    against_zero,
    amount,
    compared,
    given,
    matching,
    refusing,
    rule,
    text,
)
from tools.crds.schemas import Schema

# What the API server multiplies the cost of a rule with: more than any resource that makes sense.
_MAX_RESOURCES: Final = 64
_MAX_MOUNTS: Final = 64
_MAX_VARIABLES: Final = 1024
_MAX_ANNOTATIONS: Final = 256
_MAX_ARGUMENTS: Final = 500
_MAX_ARGUMENT_LENGTH: Final = 16 * 1024
# As long as `parse_quantity` and `parse_duration` read.
_MAX_AMOUNT_LENGTH: Final = 64


def _amounts(text: str) -> tuple[Schema, Schema]:
    """Return the rules for a resource's amount, whose text an expression names."""
    return (
        rule(f"isQuantity({text})", QUANTITY_RULE),
        rule(against_zero(text, ">="), said.MUST_NOT_BE_NEGATIVE),
    )


_AMOUNT_OR_EMPTY: Schema = {
    "maxLength": _MAX_AMOUNT_LENGTH,
    **refusing(
        rule("self == '' || isQuantity(self)", QUANTITY_RULE),
        rule(f"self == '' || {against_zero('self', '>')}", said.MUST_BE_ABOVE_ZERO),
    ),
}
_RESOURCES: Schema = {
    "maxProperties": _MAX_RESOURCES,
    "additionalProperties": {
        "x-kubernetes-int-or-string": True,
        "maxLength": _MAX_AMOUNT_LENGTH,
        **refusing(*_amounts(amount("self"))),
    },
    **refusing(
        rule(f"self.all(name, {matching(RESOURCE_KIND, 'name')})", RESOURCE_KIND.message),
        *(
            rule(
                f"!('{name}' in self) || {against_zero(amount(f'self[{name!r}]'), '!=')}",
                f"{name} {said.MUST_BE_ABOVE_ZERO}",
            )
            for name in said.NEVER_ZERO
        ),
    ),
}
_CUSTOM_RESOURCES: Schema = {
    "maxProperties": _MAX_RESOURCES,
    "additionalProperties": {
        "type": "string",
        "maxLength": _MAX_AMOUNT_LENGTH,
        **refusing(
            *_amounts("self"),
            rule("!isQuantity(self) || quantity(self).isInteger()", said.MUST_BE_WHOLE),
        ),
    },
    **refusing(rule(f"self.all(name, {matching(RESOURCE_KIND, 'name')})", RESOURCE_KIND.message)),
}


def _requests_fit(limit: str, fits: str) -> Schema:
    """Return the rule that requests are at most a limit, where both are given."""
    return rule(
        f"!has(self.requests) || !has(self.{limit}) || {fits}",
        said.MUST_FIT_THE_LIMIT,
        ".requests",
    )


def _requests_fit_older_limit(limit: str, name: str) -> Schema:
    fits = compared(amount(f"self.requests[{name!r}]"), "<=", f"self.{limit}")
    return _requests_fit(
        limit,
        f"!({name!r} in self.requests) || has(self.limits) && {name!r} in self.limits || {fits}",
    )


_DURATION: Schema = {
    "maxLength": _MAX_AMOUNT_LENGTH,
    **refusing(
        rule(
            "self == '' || self.matches("
            "r'^[-+]?(?:0|(?:(?:[0-9]+[.]?[0-9]*|[.][0-9]+)(?:ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$')",
            DURATION_RULE,
        ),
        rule(
            "self == '' || !self.startsWith('-') && self.matches('[1-9]')",
            said.MUST_BE_ABOVE_ZERO,
        ),
    ),
}

_MOUNT_FIELDS = ("configurationFileMounts", "secretFileMounts", "storageMounts")
_MOUNTS: Schema = {
    "maxProperties": _MAX_MOUNTS,
    "additionalProperties": core_types.VOLUME_MOUNT,
    **refusing(rule("!('' in self)", said.MUST_NAME_THE_SOURCE)),
}


def _all_mounts(field: str, place: str = "self") -> str:
    """Return an expression for the list of one field of all mounts."""
    lists = (
        f"(has({place}.{kind}) ? {place}.{kind}.map(source, {place}.{kind}[source].{field}) : [])"
        for kind in _MOUNT_FIELDS
    )
    return f"({' + '.join(lists)})"


def _unique(field: str) -> Schema:
    every = _all_mounts(field)
    return rule(
        f"{every}.all(one, {every}.exists_one(other, other == one))",
        f"the {field} of every mount must be unique",
    )


def _whole(low: int, high: int) -> Schema:
    return {"minimum": low, "maximum": high}


_EXIT_CODES: Schema = {
    "maxItems": said.MAX_EXIT_CODES,
    "items": {"type": "integer", "format": "int32", **_whole(1, 255)},
    "x-kubernetes-list-type": "set",
}

_DATADOG = "self.datadogIntegrationSettings.mountDatadogSocket"

RULES: dict[tuple[type, str], Schema] = {
    (Container, "registry"): text(REGISTRY),
    (Container, "image"): text(IMAGE),
    (Container, "version_tag"): text(VERSION_TAG),
    (Container, "service_account_name"): text(SERVICE_ACCOUNT, may_be_empty=True),
    (ComputeResources, "cpu_limit"): _AMOUNT_OR_EMPTY,
    (ComputeResources, "memory_limit"): _AMOUNT_OR_EMPTY,
    (ComputeResources, "requests"): _RESOURCES,
    (ComputeResources, "limits"): _RESOURCES,
    (ComputeResources, "custom_resources"): _CUSTOM_RESOURCES,
    (ComputeResources, "default_resource_quota"): {
        "maxLength": _MAX_AMOUNT_LENGTH,
        **refusing(
            rule(
                "self == '' || isQuantity(self) && quantity(self).isGreaterThan(quantity('0'))"
                " && !quantity(self).isGreaterThan(quantity('1'))",
                QUOTA_RULE,
            )
        ),
    },
    (ComputeResources, ""): refusing(
        _requests_fit(
            "limits",
            "self.requests.all(name, !(name in self.limits) || "
            f"{compared(amount('self.requests[name]'), '<=', amount('self.limits[name]'))})",
        ),
        _requests_fit_older_limit("cpuLimit", "cpu"),
        _requests_fit_older_limit("memoryLimit", "memory"),
    ),
    (WorkgroupRef, "name"): text(RESOURCE_NAME, may_be_empty=True),
    (WorkgroupRef, "kind"): {"enum": ["", WORKGROUP_KIND]},
    (WorkgroupRef, ""): refusing(
        rule(
            "has(self.name) && self.name != '' || "
            "(!has(self.group) || self.group == '') && (!has(self.kind) || self.kind == '')",
            RESOURCE_NAME_RULE,
            ".name",
        )
    ),
    (PayloadConfiguration, "payload_valid_for"): _DURATION,
    (PayloadConfiguration, "payload_serialization"): {"enum": list(said.PAYLOAD_SERIALIZATIONS)},
    (RuntimeEnvironment, "environment_variables"): {
        "maxItems": _MAX_VARIABLES,
        "items": core_types.ENV_VAR,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
    },
    (RuntimeEnvironment, "mapped_environment_variables"): {
        "maxItems": _MAX_VARIABLES,
        "items": core_types.ENV_FROM_SOURCE,
    },
    (RuntimeEnvironment, "configuration_file_mounts"): _MOUNTS,
    (RuntimeEnvironment, "secret_file_mounts"): _MOUNTS,
    (RuntimeEnvironment, "storage_mounts"): _MOUNTS,
    (RuntimeEnvironment, "annotations"): {
        "maxProperties": _MAX_ANNOTATIONS,
        **refusing(rule(f"self.all(name, {matching(ANNOTATION, 'name')})", ANNOTATION.message)),
    },
    (RuntimeEnvironment, "deadline_seconds"): _whole(1, said.MAX_INT32),
    (RuntimeEnvironment, "maximum_retries"): _whole(0, said.MAX_INT32),
    (RuntimeEnvironment, ""): refusing(_unique("name"), _unique("mountPath")),
    (ErrorHandlingBehaviour, "transient_exit_codes"): _EXIT_CODES,
    (ErrorHandlingBehaviour, "fatal_exit_codes"): _EXIT_CODES,
    (TemplateSpec, "command"): refusing(rule(r"self.matches(r'\S')", said.MUST_NAME_A_PROGRAM)),
    (TemplateSpec, "args"): {
        "maxItems": _MAX_ARGUMENTS,
        "items": {
            "type": "string",
            "maxLength": _MAX_ARGUMENT_LENGTH,
            **refusing(
                rule(
                    "!self.contains('sas-uri') && !self.contains('request-id')"
                    " || self.contains('%s')",
                    said.MUST_BE_FILLED,
                )
            ),
        },
    },
    (TemplateSpec, ""): refusing(
        rule(
            f"!({given(_DATADOG)} && {_DATADOG}) || !has(self.runtimeEnvironment) || "
            f"!('{said.DATADOG_VOLUME}' in {_all_mounts('name', 'self.runtimeEnvironment')})",
            f"no mount may be named {said.DATADOG_VOLUME} beside Datadog's socket",
            ".runtimeEnvironment",
        )
    ),
    (WorkgroupSpec, "cluster"): text(RESOURCE_NAME),
    (WorkgroupSpec, "tolerations"): {"items": core_types.TOLERATION},
    (WorkgroupSpec, "affinity"): core_types.AFFINITY,
}
"""By struct and field; an empty field is the struct as a whole."""
