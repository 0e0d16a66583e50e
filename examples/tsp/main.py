"""Finds a short round trip through all places of its payload: the travelling salesman's problem."""

import reprlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from examples.nexus_run import AlgorithmError, Run
from examples.tsp.solver import Place, Search, measure

MOST_PLACES = 1000
"""The table of distances grows with the square: 1000 places take some 50 MB of memory."""

LONGEST_TIME_SECONDS = 60
"""Half the template's `deadlineSeconds`, with which the best tour so far would be lost."""

FAR = 10**9
"""Coordinates up to here leave no doubt about rounding."""

ANY_NUMBER = 2**63 - 1
"""The largest whole number that every JSON reader takes for one."""


class Task(NamedTuple):
    """What the payload asks for."""

    places: list[Place]
    seed: int
    """The same seed and number of iterations give the same tour."""
    time_limit: float
    """In seconds."""
    most_iterations: int
    best_known_length: int | None
    """What to compare with. It does not end the search, which may find a better one."""


def find_tour(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Search until the time or the iterations are used up, and return the shortest tour found.

    The tour begins at the first place of the payload, and goes back there from its last.
    """
    task = read_task(payload)
    began = time.monotonic()
    search = Search(measure(task.places), task.seed)
    while time.monotonic() - began < task.time_limit and search.iterations < task.most_iterations:
        search.improve()
    start = search.best.index(0)
    tour = search.best[start:] + search.best[:start]
    result = {
        "tour": [task.places[place].name for place in tour],
        "length": search.best_length,
        "iterations": search.iterations,
        "seconds": round(time.monotonic() - began, 3),
    }
    if task.best_known_length is not None:
        gap = search.best_length / task.best_known_length - 1
        result |= {"bestKnownLength": task.best_known_length, "gapPercent": round(100 * gap, 3)}
    return result


def read_task(payload: Mapping[str, Any]) -> Task:
    """Read the payload: `request.json` is one, and the README explains its fields."""
    best_known_length = None
    if "bestKnownLength" in payload:
        best_known_length = _whole(payload, "bestKnownLength", 1, 1)
    time_limit = payload.get("timeLimitSeconds", 2)
    if not _is_number(time_limit, 0, LONGEST_TIME_SECONDS):
        raise _must_be("timeLimitSeconds", f"a number from 0 to {LONGEST_TIME_SECONDS}", time_limit)
    return Task(
        places=_read_places(payload.get("places")),
        seed=_whole(payload, "seed", 0, 1),
        time_limit=time_limit,
        most_iterations=_whole(payload, "maxIterations", 0, ANY_NUMBER),
        best_known_length=best_known_length,
    )


def _read_places(value: object) -> list[Place]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_PLACES:
        raise _must_be("places", f"a list of 1 to {MOST_PLACES} places", value)
    places = [_read_place(f"places[{index}]", place) for index, place in enumerate(value)]
    if len({place.name for place in places}) < len(places):
        raise _must_be("places", "places of different names", [place.name for place in places])
    return places


def _read_place(field: str, value: object) -> Place:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise _must_be(field, "an object with name, x and y", value)
    for axis in ("x", "y"):
        if not _is_number(value.get(axis), -FAR, FAR):
            raise _must_be(f"{field}.{axis}", f"a number from {-FAR} to {FAR}", value.get(axis))
    return Place(value["name"], value["x"], value["y"])


def _whole(payload: Mapping[str, Any], field: str, least: int, default: int) -> int:
    value = payload.get(field, default)
    if type(value) is not int or not least <= value <= ANY_NUMBER:
        raise _must_be(field, f"a whole number from {least} to {ANY_NUMBER}", value)
    return value


def _is_number(value: object, least: int, most: int) -> bool:
    # To Python, true is a number as well. NaN lies between no two numbers.
    return isinstance(value, int | float) and type(value) is not bool and least <= value <= most


def _must_be(field: str, what: str, value: object) -> AlgorithmError:
    return AlgorithmError(f"{field} must be {what}", f"got {reprlib.repr(value)}")


if __name__ == "__main__":
    Run().answer(find_tour)
