"""Finds short round trips by iterated local search, with 2-opt and Or-opt moves.

A tour is improved by small moves until none of them helps. Then two stretches of it are swapped,
only the places around the cuts are looked at again, and the better of the two tours is kept.
Thousands of such iterations find what no single descent does.

Nothing here reads a clock: whoever calls `Search.improve` decides how often.
"""

import math
import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NEIGHBOURS = 8
"""A good tour joins places that are near: only moves that make such a join are tried."""

LONGEST_SEGMENT = 3
"""How many places in a row are moved together, as Or proposed; longer ones hardly ever help."""

SHAKEN_STRETCH = 50
"""How many places in a row a shake may cut up: a local one leaves little to mend afterwards."""

PATIENCE_PER_PLACE = 20
"""Iterations without a gain, for each place, before the search begins anew somewhere else."""

TOO_SMALL_TO_IMPROVE = 3
"""With so few places, every order of them is the same round trip."""

NEXT = 1
PREVIOUS = -1
"""The sides of a place in a tour."""

Distances = Sequence[Sequence[int]]
"""`distances[a][b]` lies between the places a and b, which are numbered from 0."""

Tour = list[int]
"""Every place once, in the order of the visit; after the last one it goes back to the first."""


class Place(NamedTuple):
    """Somewhere on a plane."""

    name: str
    x: float
    y: float


class _Change(NamedTuple):
    tour: Tour
    ends: Sequence[int]
    """The places that have a new neighbour in the tour."""


def measure(places: Sequence[Place]) -> Distances:
    """Return all distances as whole numbers, rounded as TSPLIB's EUC_2D demands."""
    return [[int(math.hypot(a.x - b.x, a.y - b.y) + 0.5) for b in places] for a in places]


def tour_length(tour: Tour, distances: Distances) -> int:
    """Return the length of a tour, with the way back."""
    return sum(distances[a][b] for a, b in zip(tour, tour[1:] + tour[:1], strict=True))


class Search:
    """Looks for a short tour. The same seed and number of iterations find the same one."""

    def __init__(self, distances: Distances, seed: int) -> None:
        self._distances = distances
        self._near = [_nearest(place, distances) for place in range(len(distances))]
        # S311 warns of numbers that can be predicted; a search that can be repeated needs them.
        self._random = random.Random(seed)  # noqa: S311
        self.iterations = 0
        self._descend_from_anywhere()
        self.best: Tour = self._kept
        """The shortest tour found so far."""
        self.best_length = self._kept_length

    def improve(self) -> None:
        """Do one iteration; `best` is afterwards as short as before, or shorter."""
        self.iterations += 1
        if len(self.best) <= TOO_SMALL_TO_IMPROVE:
            return
        if self._stale > PATIENCE_PER_PLACE * len(self._distances):
            self._descend_from_anywhere()
        else:
            self._shake_and_descend()
        if self._kept_length < self.best_length:
            self.best, self.best_length = self._kept, self._kept_length

    def _descend_from_anywhere(self) -> None:
        tour = list(range(len(self._distances)))
        self._random.shuffle(tour)
        self._kept = self._descend(tour, tour)
        self._kept_length = tour_length(self._kept, self._distances)
        self._stale = 0

    def _shake_and_descend(self) -> None:
        shaken = self._shake(self._kept)
        tour = self._descend(shaken.tour, shaken.ends)
        length = tour_length(tour, self._distances)
        self._stale = 0 if length < self._kept_length else self._stale + 1
        # An equally long tour is taken too: it is a way across a plateau.
        if length <= self._kept_length:
            self._kept, self._kept_length = tour, length

    def _shake(self, tour: Tour) -> _Change:
        """Swap two stretches that follow each other (the "double bridge").

        No sequence of a few 2-opt and Or-opt moves undoes it by chance.
        """
        stretch = _rotated(tour, self._random.randrange(len(tour)))
        i, j, k = sorted(self._random.sample(range(1, min(len(tour), SHAKEN_STRETCH)), 3))
        swapped = stretch[:i] + stretch[j:k] + stretch[i:j] + stretch[k:]
        ends = [stretch[cut + side] for cut in (i, j, k) for side in (-1, 0)]
        return _Change(swapped, ends)

    def _descend(self, tour: Tour, suspects: Iterable[int]) -> Tour:
        """Apply moves that shorten the tour until none around the suspects does.

        A place becomes a suspect again when its neighbours in the tour change.
        """
        if len(tour) <= TOO_SMALL_TO_IMPROVE:
            return tour
        # A dict, because its keys are a set that keeps its order: a set's order would not repeat.
        waiting = dict.fromkeys(suspects)
        neighbourhood = _Neighbourhood(tour, self._distances, self._near)
        while waiting:
            place, _ = waiting.popitem()
            while change := neighbourhood.better_tour(place):
                neighbourhood = _Neighbourhood(change.tour, self._distances, self._near)
                waiting.update(dict.fromkeys(change.ends))
        return neighbourhood.tour


class _Neighbourhood:
    """The tours that are one move away from a tour."""

    def __init__(self, tour: Tour, distances: Distances, near: Sequence[Sequence[int]]) -> None:
        self.tour = tour
        self._distances = distances
        self._near = near
        self._position = {place: position for position, place in enumerate(tour)}

    def better_tour(self, place: int) -> _Change | None:
        """Return a shorter tour that joins the place to one near it; None when there is none."""
        for side in (NEXT, PREVIOUS):
            if change := self._reverse_a_stretch(place, side):
                return change
        for side in (NEXT, PREVIOUS):
            for size in range(1, LONGEST_SEGMENT + 1):
                if change := self._move_a_segment(place, side, size):
                    return change
        return None

    def _reverse_a_stretch(self, a: int, side: int) -> _Change | None:
        """Join a to a near c, and the places beside them to each other (2-opt).

        The two joins that this replaces are from a to b and from c to d, on the same side.
        """
        distances = self._distances
        b = self._beside(a, side)
        for c in self._near[a]:
            saved = distances[a][b] - distances[a][c]
            if saved <= 0:
                return None  # and all other places are farther still
            d = self._beside(c, side)
            if saved + distances[c][d] > distances[b][d]:
                first, last = (b, c) if side == NEXT else (a, d)
                return _Change(self._with_reversed(first, last), (a, b, c, d))
        return None

    def _move_a_segment(self, a: int, side: int, size: int) -> _Change | None:
        """Take out the segment from a to z, `size` places, and put it in between c and d (Or-opt).

        It is put in so that a comes to lie beside c, a place near to it.
        """
        distances = self._distances
        start = self._position[a] - (0 if side == NEXT else size - 1)
        rotated = _rotated(self.tour, start)
        segment, rest = rotated[:size], rotated[size:]
        a_to_z = segment[::side]
        z, before, after = a_to_z[-1], rest[-1], rest[0]
        bridged = distances[before][segment[0]] + distances[segment[-1]][after]
        for c in self._near[a]:
            saved = bridged - distances[before][after] - distances[a][c]
            if saved <= 0:
                return None  # and all other places are farther still
            if c in segment:
                continue
            here = rest.index(c)
            following = (here + 1) % len(rest)
            for gap, d, inserted in (
                (here + 1, rest[following], a_to_z),
                (here, rest[here - 1], a_to_z[::-1]),
            ):
                if saved + distances[c][d] > distances[z][d]:
                    tour = rest[:gap] + inserted + rest[gap:]
                    return _Change(tour, (before, after, a, z, c, d))
        return None

    def _beside(self, place: int, side: int) -> int:
        return self.tour[(self._position[place] + side) % len(self.tour)]

    def _with_reversed(self, first: int, last: int) -> Tour:
        rotated = _rotated(self.tour, self._position[first])
        end = rotated.index(last) + 1
        return rotated[:end][::-1] + rotated[end:]


def _rotated(tour: Tour, start: int) -> Tour:
    """Return the same round trip, begun at a position; a negative one counts from the end."""
    return tour[start:] + tour[:start]


def _nearest(place: int, distances: Distances) -> list[int]:
    others = [other for other in range(len(distances)) if other != place]
    return sorted(others, key=distances[place].__getitem__)[:NEIGHBOURS]
