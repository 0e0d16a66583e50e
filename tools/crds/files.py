"""The files as text."""

import yaml

from tools.crds.definitions import definitions

_HEAD = """\
# Written by `python -m tools.crds` from the types and rules of nexus_core/domain: change those.
"""


class _Dumper(yaml.SafeDumper):
    """Repeats what is the same in two places: anchors are hard to read, and not every tool does."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the base's signature
        return True


def written() -> dict[str, str]:
    """Return the content of each file by its name."""
    return {
        name: _HEAD
        + yaml.dump(definition, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
        for name, definition in definitions().items()
    }
