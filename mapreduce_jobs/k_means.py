"""k-means clustering (Lloyd 1982): each centre is the mean of the points nearest to it.

    python -m driver run --job k_means --input points.csv --param k=3
    python -m driver run --job k_means --input points.csv --param centres='[[0, 0], [10, 10]]'

Input: CSV without a header, one point a row, each field a number. Other rows are skipped, and
counted as `malformed`; a point with more or fewer dimensions than the centres is an error. Output:
cluster (0, 1, ...) -> {"centre", "points"}. The first centres are `centres`, or else the first k
distinct points. A cluster that has lost all its points keeps its centre, and is not in the result.

Each iteration reads the points again, and gets the centres as a parameter: points are many, centres
are few.
"""

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import repeat
from math import dist, fsum, isfinite
from typing import Any

from mapreduce import Batch, Chain, Job, Step, StepResult, Sum

Point = tuple[float, ...]
COUNT = -1
"""Replaces a dimension for the number of points, and sorts before all dimensions."""


class Points(Job):
    """The base of both jobs that read points."""

    def point(self, line: str) -> Point | None:
        """Return the point in a line, or None if it is malformed or empty."""
        if not line:
            return None
        try:
            # quotes are rare in numbers, and `split` takes a tenth of the time
            fields = next(csv.reader([line])) if '"' in line else line.split(",")
            point = tuple(map(float, fields))
        except (ValueError, csv.Error):
            point = (float("nan"),)
        if all(map(isfinite, point)):
            return point
        self.count("malformed")
        return None


class FirstPoints(Points):
    """The first k distinct points of each split, which include the first k of all."""

    k: int = 1

    def map_setup(self) -> None:
        """Create the set of points seen."""
        self._seen: set[Point] = set()

    def map(self, key: int, value: str) -> Iterator[tuple[int, Point]]:
        """Yield the point, if it is new and one of the first."""
        if len(self._seen) < self.k and (point := self.point(value)) and point not in self._seen:
            self._seen.add(point)
            yield key, point


class Assign(Points):
    """(cluster, dimension) -> the sum of its points' coordinates; (cluster, COUNT) -> their number.

    `Sum` adds floats exactly, so the splits do not matter; and it adds in the map task, so the
    shuffle is small.
    """

    centres: tuple[Point, ...] = ()

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[int, int], float]]:
        """Yield the point's coordinates for the cluster of the nearest centre (of equal ones, the
        first).
        """
        point = self.point(value)
        if point is not None:
            (cluster,) = self._nearest([point])
            yield (cluster, COUNT), 1
            for dimension, coordinate in enumerate(point):
                yield (cluster, dimension), coordinate

    def map_batch(self, batch: Batch) -> tuple[list[tuple[int, int]], list[float]]:
        """Return the count and the sums of each cluster of a batch."""
        points = self._points(batch)
        groups: dict[int, list[Point]] = {}
        for cluster, point in zip(self._nearest(points), points, strict=True):
            groups.setdefault(cluster, []).append(point)
        keys: list[tuple[int, int]] = []
        values: list[float] = []
        for cluster, members in groups.items():
            keys.append((cluster, COUNT))
            values.append(len(members))
            for dimension, coordinates in enumerate(zip(*members, strict=True)):
                parts = exact_parts(coordinates)
                keys += [(cluster, dimension)] * len(parts)
                values += parts
        return keys, values

    def _points(self, batch: Batch) -> list[Point]:
        """Return the points of a batch: all fields in one pass if each line has as many numbers as
        a centre has.
        """
        dimensions = len(self.centres[0]) if self.centres else 1
        if b"\r" not in batch.data and batch.data.isascii():
            text = batch.data.decode("ascii").removesuffix("\n")
            # a semicolon is no number: with as many of them as lines, each one ends a line
            fields = f"{text}\n".replace("\n", ",;,").removesuffix(",").split(",")
            ends = fields[dimensions :: dimensions + 1]
            del fields[dimensions :: dimensions + 1]
            try:
                numbers = list(map(float, fields))
            except ValueError:
                numbers = []
            is_cut = ends.count(";") == len(ends) == text.count("\n") + 1
            if numbers and isfinite(sum(numbers)) and is_cut:
                return list(zip(*[iter(numbers)] * dimensions, strict=True))
        return [point for line in batch.lines() if (point := self.point(line)) is not None]

    def _nearest(self, points: Sequence[Point]) -> list[int]:
        """Return the cluster of each point."""
        columns = (map(dist, repeat(centre), points) for centre in self.centres)
        return [row.index(min(row)) for row in zip(*columns, strict=True)]


def exact_parts(values: Iterable[float]) -> list[float]:
    """Return a few floats whose exact sum is that of many."""
    rest, parts = list(values), []
    try:
        while total := fsum(rest):
            parts.append(total)
            rest.append(-total)
    except OverflowError:  # beyond a float on the way
        return rest
    return parts or [0.0]


class Clusters(Job):
    """cluster -> its centre and its number of points."""

    group_by = 1

    def map(self, key: tuple[int, int], value: float) -> Iterator[tuple[tuple[int, int], float]]:
        """Yield the sums unchanged: the group collects them by cluster."""
        yield key, value

    def reduce(self, key: int, values: Iterator[Any]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Divide the sums by the count, which comes first; the dimensions follow in order."""
        points = next(values)
        yield key, {"centre": [total / points for total in values], "points": points}


class KMeans(Chain):
    """Iterates until no centre moves by more than `tolerance`."""

    k: int = 2
    centres: tuple[Point, ...] = ()
    tolerance: float = 1e-9
    max_iterations: int = 100

    def steps(self) -> Generator[Job | Step, StepResult, None]:
        """Yield an iteration for each set of centres; its few pairs are read here."""
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
    """Return the mean of a cluster's points, or its old centre if there are none."""
    points = sums.get((cluster, COUNT))
    return (
        tuple(sums[cluster, dimension] / points for dimension in range(len(centre)))
        if points
        else centre
    )
