"""Entry point: `nexus-receiver-health`."""

import sys

from nexus_core.web.health import run_health
from nexus_receiver.settings import ReceiverSettings


def main() -> None:
    """Ask the receiver of this machine for its health; end with 0 for yes."""
    sys.exit(run_health("nexus-receiver-health", ReceiverSettings, lambda own: (own.listen,)))


if __name__ == "__main__":
    main()
