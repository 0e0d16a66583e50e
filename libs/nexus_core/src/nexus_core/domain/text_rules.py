"""What the texts of a template must look like, and what to say of those that do not.

The patterns mean the same to Python and to RE2, which checks them in the API server.
"""

import re

import msgspec

from nexus_core.domain.names import MAX_NAME_LENGTH, RESOURCE_NAME_PATTERN, RESOURCE_NAME_RULE


class TextRule(msgspec.Struct, frozen=True):
    """What a text may be."""

    pattern: re.Pattern[str]
    """Matches the whole text."""
    message: str
    """A clause that says what it must be."""
    max_length: int = 253

    def allows(self, text: str) -> bool:
        """Tell whether a text is one of these."""
        return len(text) <= self.max_length and self.pattern.fullmatch(text) is not None


RESOURCE_NAME = TextRule(RESOURCE_NAME_PATTERN, RESOURCE_NAME_RULE, MAX_NAME_LENGTH)
# An image's whole reference may have 255 characters before its tag.
REGISTRY = TextRule(
    re.compile(r"[A-Za-z0-9]([-A-Za-z0-9._:/]*[A-Za-z0-9])?"),
    "must be a registry such as ghcr.io/my-team",
    255,
)
IMAGE = TextRule(
    re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"),
    "must be an image's name in lower case, without its tag",
    255,
)
VERSION_TAG = TextRule(
    re.compile(r"[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}(@sha256:[0-9a-f]{64})?"),
    "must be an image's tag such as v1.2.3",
)
SERVICE_ACCOUNT = TextRule(
    re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"), "must be a lower-case DNS name, or empty"
)
VOLUME_NAME = TextRule(
    re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"), "must be a lower-case DNS label", 63
)
MOUNT_PATH = TextRule(re.compile(r"[^:]+"), "must be a path without a colon", 4096)
ENVIRONMENT_NAME = TextRule(
    re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*"),
    "must be letters, digits, _, - or ., no digit first",
    1024,
)
_QUALIFIED_NAME = re.compile(
    r"([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?"
)
# 253 characters of prefix, a slash, 63 of name.
RESOURCE_KIND = TextRule(_QUALIFIED_NAME, "must be named like cpu, memory or nvidia.com/gpu", 317)
ANNOTATION = TextRule(_QUALIFIED_NAME, "must be named like example.com/my-note", 317)
