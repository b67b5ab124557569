"""`check_aggregation` finds what is wrong with an aggregation, and passes ours."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce import Aggregation, ArgMax, CollectList, Mean, Quantile, Sum, TopK
from mapreduce.errors import UsageError
from mapreduce.testing import AggregationLawBroken, check_aggregation


class Own(Aggregation[Any]):
    """A product, which is right; the others below are not."""

    def create(self, value: Any) -> Any:
        return value

    def add(self, state: Any, value: Any) -> Any:
        return state * value

    def merge(self, state: Any, other: Any) -> Any:
        return state * other

    def result(self, state: Any) -> Any:
        return state


class MeanOfMeans(Own):
    """The state forgets how many values it is of."""

    def add(self, state: Any, value: Any) -> Any:
        return (state + value) / 2

    def merge(self, state: Any, other: Any) -> Any:
        return (state + other) / 2


class Difference(Own):
    """It depends on the order."""

    order_matters = True

    def add(self, state: Any, value: Any) -> Any:
        return [*(state if type(state) is list else [state]), value]

    def merge(self, state: Any, other: Any) -> Any:
        both = [each if type(each) is list else [each] for each in (state, other)]
        return both[0] + both[1]


class InASet(Own):
    """Its state cannot be encoded."""

    def create(self, value: Any) -> Any:
        return {value}


class SaysSo(Own):
    """It says `associative`, and its states differ by how they are merged."""

    associative = True

    def create(self, value: Any) -> Any:
        return [value, 0]

    def add(self, state: Any, value: Any) -> Any:
        return [state[0] + value, state[1]]

    def merge(self, state: Any, other: Any) -> Any:
        return [state[0] + other[0], state[1] * 2 + other[1] + 1]

    def result(self, state: Any) -> Any:
        return state[0]


@pytest.mark.parametrize(
    "right", [Own(), Sum(), Mean(), TopK(2), Quantile(0.9), CollectList(), Difference()]
)
def test_right_ones_pass(right: Aggregation[Any]) -> None:
    """No law is broken, also where the order matters and the class says so."""
    check_aggregation(right, [3, 1, 2, 2, -5, 0, 7])
    check_aggregation(ArgMax(), [(1, "a"), (2, "b"), (2, "c")])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (MeanOfMeans(), r"MeanOfMeans of \[.{1,12}\] is .* it is"),
        (type("Unsaid", (Difference,), {"order_matters": False})(), "say `order_matters = True`"),
        (InASet(), "cannot be encoded: a value of type set"),
        (SaysSo(), "`associative`: the merged states differ"),
    ],
)
def test_wrong_ones_are_shown_with_few_values(wrong: Aggregation[Any], message: str) -> None:
    """The message has the law and the values."""
    with pytest.raises(AggregationLawBroken, match=message):
        check_aggregation(wrong, [3, 1, 2, 2, -5, 0, 7])


def test_what_cannot_be_checked_is_refused() -> None:
    """A class, a class without methods, and no values."""
    with pytest.raises(UsageError, match=r"write MyOwn\(\)"):
        check_aggregation(Sum, [1])  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="has no `create`, `add`, `merge`, `result`"):
        check_aggregation(type("Empty", (Aggregation,), {})(), [1])
    with pytest.raises(UsageError, match="needs values"):
        check_aggregation(Sum(), [])
