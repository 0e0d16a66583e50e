"""What the travelling-salesman example makes of its payload."""

from typing import Any

import pytest

from examples.nexus_run import AlgorithmError
from examples.tsp.main import find_tour, read_task

SQUARE = [
    {"name": "a", "x": 0, "y": 0},
    {"name": "b", "x": 10, "y": 10},
    {"name": "c", "x": 10, "y": 0},
    {"name": "d", "x": 0, "y": 10},
]


def test_a_tour_begins_at_the_first_place_and_goes_round() -> None:
    result = find_tour({"places": SQUARE, "maxIterations": 5})

    assert result["length"] == 40
    assert result["tour"] in (["a", "c", "b", "d"], ["a", "d", "b", "c"])
    assert result["iterations"] == 5


def test_the_gap_is_told_when_there_is_a_length_to_compare_with() -> None:
    compared = find_tour({"places": SQUARE, "maxIterations": 5, "bestKnownLength": 32})
    alone = find_tour({"places": SQUARE, "maxIterations": 5})

    assert (compared["bestKnownLength"], compared["gapPercent"]) == (32, 25.0)
    assert "gapPercent" not in alone


def test_no_time_gives_the_first_tour_at_once() -> None:
    assert find_tour({"places": SQUARE, "timeLimitSeconds": 0})["iterations"] == 0


def test_all_but_the_places_has_a_default() -> None:
    task = read_task({"places": SQUARE})

    assert (task.seed, task.time_limit, task.best_known_length) == (1, 2, None)


@pytest.mark.parametrize(
    ("parameters", "cause"),
    [
        ({}, "places must be a list of 1 to 1000 places"),
        ({"places": []}, "places must be a list of 1 to 1000 places"),
        ({"places": SQUARE * 251}, "places must be a list of 1 to 1000 places"),
        ({"places": [*SQUARE, SQUARE[0]]}, "places must be places of different names"),
        ({"places": ["a"]}, "places[0] must be an object with name, x and y"),
        ({"places": [{"x": 1, "y": 2}]}, "places[0] must be an object with name, x and y"),
        ({"places": [{"name": "a", "x": 1}]}, "places[0].y must be a number"),
        ({"places": [{"name": "a", "x": True, "y": 2}]}, "places[0].x must be a number"),
        ({"places": [{"name": "a", "x": float("nan"), "y": 2}]}, "places[0].x must be a number"),
        ({"places": [{"name": "a", "x": 1e300, "y": 2}]}, "places[0].x must be a number"),
        ({"places": SQUARE, "seed": "lucky"}, "seed must be a whole number from 0"),
        ({"places": SQUARE, "seed": 1.5}, "seed must be a whole number from 0"),
        ({"places": SQUARE, "timeLimitSeconds": -1}, "timeLimitSeconds must be a number from 0"),
        ({"places": SQUARE, "timeLimitSeconds": 61}, "timeLimitSeconds must be a number from 0"),
        ({"places": SQUARE, "maxIterations": None}, "maxIterations must be a whole number"),
        ({"places": SQUARE, "bestKnownLength": 0}, "bestKnownLength must be a whole number from 1"),
    ],
)
def test_a_payload_that_makes_no_sense_is_refused_by_the_name_of_its_field(
    parameters: dict[str, Any], cause: str
) -> None:
    with pytest.raises(AlgorithmError) as refusal:
        read_task(parameters)

    assert str(refusal.value).startswith(cause)
    assert refusal.value.details
