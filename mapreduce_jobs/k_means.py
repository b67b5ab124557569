"""k-means clustering (Lloyd 1982): centres such that each is the mean of the points that are nearest to it.

    python -m driver run --job k_means --input points.csv --param k=3
    python -m driver run --job k_means --input points.csv --param centres='[[0, 0], [10, 10]]'

Input: CSV without a header, one point a row, each field a number. Rows with other fields are passed over, and counted
as `malformed`; a point with more or fewer dimensions than the centres is an error. Output: cluster (0, 1, ...) ->
{"centre", "points"}. The first centres are `centres`, or else the first k distinct points. A cluster that has lost all
its points keeps its centre meanwhile, and is not in the result.

Each iteration reads the points again, and gets the centres as a parameter: points are many, centres are few.
"""

from collections.abc import Generator, Iterator
from math import dist, isfinite
from typing import Any

from mapreduce import Chain, Csv, Job, Step, StepResult, Sum

Point = tuple[float, ...]
COUNT = -1
"""In the place of a dimension: how many points there are. It sorts before all dimensions."""


class Points(Job):
    """What both jobs that read points have in common."""

    input_format = Csv(header=False)

    def point(self, row: list[str]) -> Point | None:
        """The point that a row is; None if it is none."""
        try:
            point = tuple(map(float, row))
        except ValueError:
            point = (float("nan"),)
        if all(map(isfinite, point)):
            return point
        self.count("malformed")
        return None


class FirstPoints(Points):
    """The first k distinct points of each split, so that the first k of all are among them."""

    k: int = 1

    def map_setup(self) -> None:
        """Before the first record."""
        self._seen: set[Point] = set()

    def map(self, key: int, value: list[str]) -> Iterator[tuple[int, Point]]:
        """The point, if it is new and one of the first."""
        if len(self._seen) < self.k and (point := self.point(value)) and point not in self._seen:
            self._seen.add(point)
            yield key, point


class Assign(Points):
    """(cluster, dimension) -> the sum of its points' coordinates, and (cluster, COUNT) -> how many points it has.

    `Sum` adds floats exactly, so the splits do not matter; and it adds in the mapper, so hardly anything is shuffled.
    """

    centres: tuple[Point, ...] = ()

    reduce = Sum()

    def map(self, key: int, value: list[str]) -> Iterator[tuple[tuple[int, int], float]]:
        """The point's coordinates, under the cluster of the nearest centre (of two that are, the first)."""
        point = self.point(value)
        if point is not None:
            cluster = min(range(len(self.centres)), key=lambda at: dist(self.centres[at], point))
            yield (cluster, COUNT), 1
            for dimension, coordinate in enumerate(point):
                yield (cluster, dimension), coordinate


class Clusters(Job):
    """cluster -> its centre, and its number of points."""

    group_by = 1

    def map(self, key: tuple[int, int], value: float) -> Iterator[tuple[tuple[int, int], float]]:
        """The sums as they are: the group puts them together."""
        yield key, value

    def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """The count comes first, then the dimensions in order."""
        points = next(values)
        yield key, {"centre": [total / points for total in values], "points": points}


class KMeans(Chain):
    """Iterates until no centre moves by more than `tolerance`."""

    k: int = 2
    centres: tuple[Point, ...] = ()
    tolerance: float = 1e-9
    max_iterations: int = 100

    def steps(self) -> Generator[Job | Step, StepResult, None]:
        """The pairs of each iteration are few: they are read here, and become the next one's parameter."""
        centres = self.centres
        if not centres:
            result = yield FirstPoints(k=self.k)
            centres = tuple(dict.fromkeys(point for _, point in result.pairs()))[: self.k]
        for _ in range(self.max_iterations):
            result = yield Step(Assign(centres=centres), reads="given")
            sums = dict(result.pairs())
            new = tuple(_centre(sums, cluster, centre) for cluster, centre in enumerate(centres))
            moved = max(map(dist, centres, new), default=0.0)
            centres = new
            if moved <= self.tolerance:
                break
        yield Clusters()


def _centre(sums: dict[tuple[int, int], float], cluster: int, centre: Point) -> Point:
    """Where a cluster's points have their mean; where it was, if there are none."""
    points = sums.get((cluster, COUNT))
    return (
        tuple(sums[cluster, dimension] / points for dimension in range(len(centre)))
        if points
        else centre
    )
