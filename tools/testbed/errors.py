"""What goes wrong in a testbed, in a line that a person can act on."""

from pathlib import Path

_SHOWN_LINES = 15


class TestbedError(Exception):
    """The testbed can't do what it was asked; the message says what and, where known, why."""

    # Its name begins like a test's.
    __test__ = False


def with_log(problem: str, log: Path) -> TestbedError:
    """Return an error that names the log and shows its last lines."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    shown = "".join(f"\n    {line}" for line in lines[-_SHOWN_LINES:])
    return TestbedError(f"{problem}; its log is {log}{', which ends:' if shown else ''}{shown}")
