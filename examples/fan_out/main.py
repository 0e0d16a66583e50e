"""Adds numbers up by starting runs that add up a part each: a run that starts runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from examples.nexus_run import AlgorithmError, Run

MOST_PARTS = 32
"""Each part is a run of its own: on a laptop, more of them would only wait for each other."""


class Task(NamedTuple):
    """What to add up, and in how many parts."""

    numbers: list[float]
    parts: int


def add_up(run: Run, payload: Mapping[str, Any]) -> dict[str, float]:
    """Deal the numbers out to children, wait for all of them, and sum their sums."""
    task = read_task(payload)
    hands = [task.numbers[first :: task.parts] for first in range(task.parts)]
    children = [run.start_child("fan-out-part", {"numbers": hand}) for hand in hands if hand]
    sums = [run.wait_for(child)["sum"] for child in children]
    return {"sum": sum(sums), "children": len(children)}


def read_task(payload: Mapping[str, Any]) -> Task:
    """Read `{"numbers": [1, 2, 3], "parts": 2}`."""
    numbers = payload.get("numbers")
    # Exact types, because True is an int as well.
    if not isinstance(numbers, list) or not all(type(each) in {int, float} for each in numbers):
        raise AlgorithmError("numbers must be a list of numbers")
    parts = payload.get("parts", 4)
    if type(parts) is not int or not 1 <= parts <= MOST_PARTS:
        raise AlgorithmError(f"parts must be a whole number from 1 to {MOST_PARTS}")
    return Task(numbers, parts)


if __name__ == "__main__":
    this_run = Run()
    this_run.answer(lambda payload: add_up(this_run, payload))
