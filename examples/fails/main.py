"""An algorithm with a bug: it forgets that a list of measurements can be empty."""

from typing import Any

from examples.nexus_run import Run


def mean(payload: dict[str, Any]) -> dict[str, float]:
    """Return the mean of `{"measurements": [...]}`; raises `ZeroDivisionError` when there are none.

    Nothing catches that on purpose: Python prints where it happened and ends with exit code 1.
    """
    measurements = payload["measurements"]
    return {"mean": sum(measurements) / len(measurements)}


if __name__ == "__main__":
    Run().answer(mean)
