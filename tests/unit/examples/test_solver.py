"""The travelling-salesman solver, on berlin52 and on tours small enough to know."""

import itertools
import random

import msgspec
import pytest

from examples.tsp.solver import Distances, Place, Search, measure, tour_length
from support.examples import example_request

OPTIMUM_OF_BERLIN52 = 7542
"""Proven, and published with TSPLIB."""


@pytest.fixture(scope="module")
def berlin52() -> Distances:
    places = msgspec.json.decode(example_request("tsp"))["algorithmParameters"]["places"]
    return measure([Place(**place) for place in places])


def some_places(number: int) -> Distances:
    chance = random.Random(number)  # noqa: S311 - no secrets
    return measure(
        [Place(str(n), chance.uniform(0, 100), chance.uniform(0, 100)) for n in range(number)]
    )


def searched(distances: Distances, seed: int, iterations: int) -> Search:
    search = Search(distances, seed)
    for _ in range(iterations):
        search.improve()
    return search


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_the_optimum_of_berlin52(berlin52: Distances, seed: int) -> None:
    search = searched(berlin52, seed, 200)

    assert search.best_length == OPTIMUM_OF_BERLIN52


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 8, 60, 120])
def test_a_tour_visits_every_place_once_and_is_as_long_as_it_says(number: int) -> None:
    distances = some_places(number)

    search = searched(distances, seed=1, iterations=30)

    assert sorted(search.best) == list(range(number))
    assert search.best_length == tour_length(search.best, distances)


def test_no_order_of_eight_places_is_shorter_than_the_tour_it_finds() -> None:
    distances = some_places(8)
    orders = itertools.permutations(range(1, 8))

    shortest = min(tour_length([0, *order], distances) for order in orders)

    assert searched(distances, seed=1, iterations=50).best_length == shortest


def test_the_same_seed_and_number_of_iterations_find_the_same_tour() -> None:
    distances = some_places(80)

    first, second = (searched(distances, seed=7, iterations=40) for _ in range(2))

    assert first.best == second.best


def test_other_seeds_go_other_ways() -> None:
    distances = some_places(80)

    assert Search(distances, seed=1).best != Search(distances, seed=2).best


def test_a_search_never_gives_a_shorter_tour_back() -> None:
    search = Search(some_places(40), seed=3)

    lengths = [search.best_length]
    # Long enough to begin anew from a random tour, several times.
    for _ in range(2500):
        search.improve()
        lengths.append(search.best_length)

    assert lengths == sorted(lengths, reverse=True)


def test_places_that_lie_on_each_other_are_no_trouble() -> None:
    distances = measure([Place(str(n), 5, 5) for n in range(12)])

    assert searched(distances, seed=1, iterations=20).best_length == 0


def test_distances_are_rounded_to_the_nearest_whole_number() -> None:
    places = [Place("a", 0, 0), Place("b", 1, 1), Place("c", 0.5, 0)]

    assert measure(places) == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_the_length_of_a_tour_includes_the_way_back() -> None:
    square = measure([Place("a", 0, 0), Place("b", 0, 3), Place("c", 4, 3)])

    assert tour_length([0, 1, 2], square) == 3 + 4 + 5
