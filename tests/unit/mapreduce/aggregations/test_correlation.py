"""The correlation is exact, and does not depend on the splits."""

from __future__ import annotations

import random
import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Correlation
from mapreduce.aggregate import NotAggregable
from mapreduce.aggregations.written import read, written
from tests.unit.mapreduce.test_aggregate import merged_result, randoms

numbers = st.floats(-1e100, 1e100) | st.integers(-(1 << 70), 1 << 70)
pairs = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=20)


@given(pairs, randoms)
def test_any_splits_give_the_exact_correlation(
    values: list[tuple[float, float]], chance: random.Random
) -> None:
    """The merged correlation is that of the definition, bit for bit, and lies within -1 and 1."""
    merged = merged_result(Correlation(), values, chance)
    assert Correlation().plain(values) == merged
    assert merged is None or -1 <= merged <= 1


@given(
    st.lists(
        st.tuples(st.integers(-1000, 1000), st.integers(-1000, 1000)), min_size=2, max_size=50
    ),
    randoms,
)
def test_the_correlation_is_that_of_statistics(
    values: list[tuple[int, int]], chance: random.Random
) -> None:
    """Python's own correlation is near, where there is one."""
    merged = merged_result(Correlation(), values, chance)
    try:
        expected = statistics.correlation(*zip(*values, strict=True))
    except statistics.StatisticsError:
        assert merged is None
    else:
        assert expected == pytest.approx(merged, abs=1e-12)


def test_known_values() -> None:
    """A line has the correlation 1 or -1, however steep, and a constant has none."""
    rising = [(Fraction(x), 3 * x + 1) for x in range(5)]
    assert 1.0 == Correlation().plain([(int(x), y) for x, y in rising])
    assert -1.0 == merged_result(Correlation(), [(x, -0.5 * x) for x in range(9)], random.Random(1))
    assert Correlation().plain([(1, 2)]) is None
    assert merged_result(Correlation(), [(1, 2), (1, 3)], random.Random(1)) is None


@pytest.mark.parametrize("value", [3, (1,), (1, 2, 3), "ab"])
def test_what_is_no_pair_is_refused(value: object) -> None:
    """The error says what the aggregation takes."""
    with pytest.raises(NotAggregable, match=r"Correlation takes pairs of numbers \(x, y\), not"):
        Correlation().create(value)


def test_what_is_no_number_is_refused() -> None:
    """A text within a pair is refused with what to write."""
    for refuse in (Correlation().create, lambda pair: Correlation().plain([pair])):
        with pytest.raises(NotAggregable, match=r"Correlation .* write float"):
            refuse((1, "2"))


def test_it_comes_back_from_its_text() -> None:
    """A step of a chain can name it."""
    assert type(read(written(Correlation()))) is Correlation
