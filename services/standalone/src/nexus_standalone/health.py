"""Entry point: `nexus-standalone-health`."""

import sys

from nexus_core.settings.sections import Listen
from nexus_core.web.health import run_health
from nexus_standalone.settings import StandaloneSettings


def main() -> None:
    """Ask the three services of this machine's standalone for their health; end with 0 for yes."""
    sys.exit(run_health("nexus-standalone-health", StandaloneSettings, _listeners))


def _listeners(settings: StandaloneSettings) -> tuple[Listen, ...]:
    return tuple(
        listener.listen for listener in (settings.scheduler, settings.receiver, settings.supervisor)
    )


if __name__ == "__main__":
    main()
