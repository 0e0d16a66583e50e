"""Entry point."""


def main() -> None:
    """Start the service."""
