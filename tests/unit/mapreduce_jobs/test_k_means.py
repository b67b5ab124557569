"""k-means, compared with Lloyd's algorithm."""

from __future__ import annotations

import math
import random
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce.batch import Batch
from mapreduce.errors import ParameterError, UserCodeError
from mapreduce.testing import plain_answer, run
from mapreduce_jobs.k_means import Assign, KMeans, exact_parts

Points = list[tuple[float, ...]]


def lloyd(points: Points, centres: Points, rounds: int = 100) -> dict[int, dict[str, Any]]:
    """Return the non-empty clusters, after assigning and averaging until no centre moves."""
    clusters: list[Points] = []
    for _ in range(rounds):
        clusters = [[] for _ in centres]
        for point in points:
            distances = [math.dist(point, centre) for centre in centres]
            clusters[distances.index(min(distances))].append(point)
        old = centres
        centres = [
            tuple(math.fsum(axis) / len(members) for axis in zip(*members, strict=True))
            if members
            else centre
            for members, centre in zip(clusters, centres, strict=True)
        ]
        if centres == old:
            break
    return {
        number: {"centre": list(centres[number]), "points": len(members)}
        for number, members in enumerate(clusters)
        if members
    }


def k_means(points: Points, **parameters: Any) -> dict[int, dict[str, Any]]:
    """Return the chain's answer from the reference run."""
    text = "".join(",".join(map(repr, point)) + "\n" for point in points)
    return dict(plain_answer(KMeans(**parameters), [("file:///points", text.encode())]))


def same(expected: dict[int, dict[str, Any]], found: dict[int, dict[str, Any]]) -> bool:
    """Return whether clusters have equal numbers of points, and centres within 1e-9."""
    return expected.keys() == found.keys() and all(
        cluster["points"] == found[number]["points"]
        and cluster["centre"] == pytest.approx(found[number]["centre"], abs=1e-9)
        for number, cluster in expected.items()
    )


# halves, so that sums are exact in both programs, and ties are equal
coordinates = st.integers(-8, 8).map(lambda number: number / 2)


@settings(max_examples=25, deadline=None)
@given(points=st.lists(st.tuples(coordinates, coordinates), max_size=20), k=st.integers(1, 4))
def test_any_points(points: Points, k: int) -> None:
    """The first k distinct points are the first centres, and with fewer points there are fewer
    clusters.
    """
    first = list(dict.fromkeys(points))[:k]
    assert same(lloyd(points, first), k_means(points, k=k, tolerance=0.0))


def test_clouds() -> None:
    """Three clouds of points in three dimensions are found from given centres."""
    chance = random.Random(5)
    clouds = [(0.0, 0.0, 0.0), (5.0, 5.0, 0.0), (0.0, 9.0, 9.0)]
    points: Points = [
        tuple(chance.gauss(at, 1.5) for at in clouds[number % 3]) for number in range(600)
    ]
    centres: Points = [(1.0, 0.0, 0.0), (2.0, 5.0, 1.0), (0.0, 1.0, 9.0)]
    assert same(lloyd(points, centres), k_means(points, centres=centres))


def test_a_centre_without_points() -> None:
    """A centre without points keeps its place and number, and is not in the result."""
    points: Points = [(0.0,), (1.0,), (10.0,)]
    found = k_means(points, centres=[(0.0,), (500.0,), (9.0,)])
    assert found == {0: {"centre": [0.5], "points": 2}, 2: {"centre": [10.0], "points": 1}}


def test_max_iterations() -> None:
    """One iteration averages once."""
    points: Points = [(0.0,), (2.0,), (3.0,), (10.0,)]
    assert lloyd(points, [(0.0,), (2.0,)], rounds=1) == k_means(points, k=2, max_iterations=1)


def test_assignment_does_not_depend_on_splits() -> None:
    """Sums of floats are exact for any splits, also of huge numbers that cancel out, spilled or
    not.
    """
    rows = [f"{0.1 * (number % 7)},{1e300 if number % 2 else -1e300}" for number in range(4000)]
    content = "\r\n".join(rows).encode()
    job = Assign(centres=((0.0, 0.0), (0.6, 0.0)))
    answers = [
        sorted(run(job, inputs={"": content}, splits=splits, memory_bytes=memory).pairs)
        for splits, memory in ((1, 256 << 20), (5, 16 << 10), (7, 256 << 20))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert sum(value for (_, dimension), value in answers[0] if dimension == 1) == 0.0


def test_malformed_rows() -> None:
    """A header, empty fields and nan are counted as malformed and skipped."""
    content = b"x,y\n0,0\n\n1,\nnan,1\n inf,1\n2,2\n"
    answer = run(Assign(centres=((0.0, 0.0),)), inputs={"": content})
    assert [([0, -1], 2), ([0, 0], 2.0), ([0, 1], 2.0)] == sorted(answer.pairs)
    assert answer.counters == {"malformed": 4}


def row_by_row(job: Assign, content: bytes) -> dict[tuple[int, int], float]:
    """Return the sums of what `map` yields for each line, added as fractions."""
    sums: dict[tuple[int, int], Fraction] = {}
    for line in content.decode().split("\n"):
        for key, value in job.map(0, line.removesuffix("\r")):
            sums[key] = sums.get(key, Fraction(0)) + Fraction(value)
    return {key: float(total) for key, total in sums.items()}


numbers = st.floats(-1e9, 1e9) | st.integers(-9, 9) | st.sampled_from([1e300, -1e300, 5e-324])
lines = st.lists(
    st.tuples(numbers, numbers).map(lambda point: ",".join(map(repr, point)))
    | st.sampled_from(
        ["", "x,y", "1,", ",", ";", "1,;", "1,2,;,3,4", "nan,1", "1,1e999", '"1","-2.5"', " 1 , 2 "]
    )
    | st.sampled_from(["\u0661,2", "1_0,2", "0x1,2", '"1,2']),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@example(rows=["1,2,;,3,4"], end="\n", splits=1)
@given(rows=lines, end=st.sampled_from(["\n", "\r\n"]), splits=st.integers(1, 3))
def test_many_points_at_once(rows: list[str], end: str, splits: int) -> None:
    """`map_batch` gives each cluster the sums and counts of `map`, to the last bit, for numbers of
    all sizes, malformed rows, and other line ends.
    """
    content = end.join(rows).encode()
    centres = ((0.0, 0.0), (3.0, -3.0), (1e8, 2.0))
    once = Assign(centres=centres)
    expected = row_by_row(once, content)
    answer = run(Assign(centres=centres), inputs={"": content}, splits=splits)
    assert {(cluster, at): value for (cluster, at), value in answer.pairs} == expected
    assert dict(once.counters) == answer.counters


@given(values=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_exact_parts(values: list[float]) -> None:
    """The parts have exactly the sum of the values."""
    assert sum(map(Fraction, values)) == sum(map(Fraction, exact_parts(values)))


def test_few_pairs() -> None:
    """A batch yields the parts of its sums, and no pair for each point."""
    content = "".join(f"{number},{number / 3}\n" for number in range(1000)).encode()
    keys, _ = Assign(centres=((0.0, 0.0), (900.0, 300.0))).map_batch(Batch("", 0, content))
    assert len(keys) <= 12


@pytest.mark.parametrize("row", ["1", "1,2,3", "1,2,3,4,5"])
def test_other_dimensions(row: str) -> None:
    """A point with other dimensions than the centres is an error, also among others."""
    with pytest.raises(UserCodeError, match="same number of dimensions"):
        run(Assign(centres=((0.0, 0.0),)), inputs={"": f"1,2\n{row}\n3,4\n".encode()})


def test_nothing() -> None:
    """Without points there is no cluster, and invalid centres are refused."""
    assert {} == k_means([], k=3)
    with pytest.raises(ParameterError, match="centres"):
        KMeans(centres="1,2")
