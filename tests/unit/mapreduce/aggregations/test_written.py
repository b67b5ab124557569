"""An aggregation comes back from its text, and only ours has one."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce import (
    Aggregation,
    ApproximateQuantile,
    ArgMax,
    Count,
    Mean,
    Quantile,
    Quantiles,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
)
from mapreduce.aggregations.written import read, written
from mapreduce.errors import JobLoadError


class Own(Aggregation[Any]):
    """An author's own."""


class Count2(Count):
    """A subclass of one of ours."""


@pytest.mark.parametrize(
    "aggregation",
    [
        Sum(),
        Mean(),
        TopK(2, smallest=True),
        Variance(sample=True),
        StandardDeviation(),
        Quantile(0.95),
        Quantiles(0, 0.25, interpolate=False),
        ApproximateQuantile(0.3),
    ],
)
def test_an_aggregation_comes_back(aggregation: Aggregation[Any]) -> None:
    """Its class and what it was made with are the same, and so is its answer."""
    again = read(written(aggregation))
    assert type(aggregation) is type(again)
    assert vars(aggregation) == vars(again)
    values = [3, 1, 2.5, 7]
    assert aggregation.plain(values) == again.plain(values)


def test_several_come_back_with_their_names() -> None:
    """A dict keeps the names and their order."""
    again = read(written({"n": Count(), "best": ArgMax(), "q": Quantile(0.5)}))
    assert {"n": 2, "best": "b"} == read(written({"n": Count(), "best": ArgMax()})).plain(
        [(1, "a"), (2, "b")]
    )
    assert ["n", "best", "q"] == list(again.by_name)  # type: ignore[attr-defined]


@pytest.mark.parametrize("given", [Own(), Count2(), sum, Sum, 3, {}, {"n": sum}])
def test_others_need_a_class(given: Any) -> None:
    """The message says to write a class of a job."""
    with pytest.raises(JobLoadError, match=r"for another write a class, as in `class Total\(Job\)"):
        written(given)
