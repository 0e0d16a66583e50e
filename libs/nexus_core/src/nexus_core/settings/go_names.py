"""What deployments of the Go implementation set, where ours calls it otherwise.

So a deployment of theirs can be given our images with the environment that it has.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple


class Name(NamedTuple):
    """A variable of theirs, and what it means to us."""

    variable: str
    means: tuple[str, ...]
    """The variables of ours that it speaks for, as far as they are not set. None: no effect."""
    why: str


_NO_QUEUE = "their receiver and supervisor hold back what they write; ours have no such queue"

NAMES = (
    Name(
        "NEXUS__RESOURCE_NAMESPACE",
        ("NEXUS__RUNTIME_NAMESPACE", "NEXUS__DEPLOY_NAMESPACE"),
        "of older schedulers, and of supervisors",
    ),
    Name(
        "NEXUS__S3_BUFFER__BUFFER_CONFIG__PAYLOAD_STORAGE_PATH",
        ("NEXUS__S3_BUFFER__PAYLOAD_STORAGE_PATH",),
        "of older schedulers",
    ),
    *(
        Name(f"NEXUS__CQL_STORE__{name}", (f"NEXUS__ASTRA_CQL_STORE__{name}",), "before 'scylla'")
        for name in ("SECURE_CONNECTION_BUNDLE_BASE64", "GATEWAY_USER", "GATEWAY_PASSWORD")
    ),
    Name("NEXUS__BIND_PORT", ("NEXUS__LISTEN__PORT",), "of receivers"),
    *(
        Name(f"NEXUS__{name}", (), _NO_QUEUE)
        for name in (
            "FAILURE_RATE_BASE_DELAY",
            "FAILURE_RATE_MAX_DELAY",
            "RATE_LIMIT_ELEMENTS_PER_SECOND",
            "RATE_LIMIT_ELEMENTS_BURST",
            "WORKERS",
            "CONFIG__WORKERS",
        )
    ),
    Name("NEXUS__EXTERNAL_HOSTNAME", (), "URLs lead to where `scheduler-url` says"),
)
"""In the order of the page of settings."""

VALUES: Mapping[str, Callable[[str], str]] = {
    "NEXUS__CQL_STORE_TYPE": lambda text: text.removeprefix("cassandra-"),
    "NEXUS__LOG_LEVEL": lambda text: {"warn": "warning"}.get(text.lower(), text.lower()),
}
"""Of the same name, with values that they write in another way: `cassandra-scylla`, `INFO`."""


def in_our_words(environ: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return an environment in which their variables are ours; what is known as ours stays."""
    words = dict(environ)
    for variable, means, _ in NAMES:
        if variable in known:
            continue
        text = words.pop(variable, "")
        # Their charts set all that they know, much of it to nothing.
        for ours in means if text else ():
            words[ours] = words.get(ours) or text
    for variable, translate in VALUES.items():
        if variable in words:
            words[variable] = translate(words[variable])
    return words
