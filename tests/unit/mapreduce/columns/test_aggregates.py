"""States made in SQL equal those that the aggregation makes of the same values, to the last bit."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce import (
    Correlation,
    Count,
    Max,
    Mean,
    Min,
    Quantile,
    Quantiles,
    StandardDeviation,
    Sum,
    TopK,
    Variance,
)
from mapreduce.aggregate import Aggregation
from mapreduce.aggregations.several import Several
from mapreduce.columns.aggregates import has_plan
from mapreduce.columns.chunks import registered
from mapreduce.columns.database import DuckDBPyConnection, OutOfMemoryException, opened
from mapreduce.columns.groups import Groups
from mapreduce.columns.query import Query, listed
from mapreduce.columns.statement import statement_of
from mapreduce.columns.table import Table
from mapreduce.input_formats import ColumnKind

floats = st.floats(allow_nan=False, allow_infinity=False)
moderate = st.floats(-1e12, 1e12).filter(lambda value: value == 0 or abs(value) > 1e-8)
prices = st.integers(-200_000, 200_000).map(lambda cents: cents / 100)
integers = st.integers(-(1 << 63), (1 << 63) - 1)


_until_the_end = ExitStack()


@cache
def _database() -> DuckDBPyConnection:
    """Return one database for all tests: opening one takes longer than a query."""
    return _until_the_end.enter_context(opened())


def states_of(
    aggregation: Aggregation[Any], kind: ColumnKind, pairs: list[tuple[Any, Any]]
) -> dict[Any, Any] | None:
    """Return the results of the states that SQL makes, by key; None if it makes none."""
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    table = Table({"key": ("str", keys), "value": (kind, values)}, len(pairs))
    with registered(_database(), table, ("key", "value")) as source:
        found = Query(None, "`map_sql` of J", aggregation).states(source)
    if found is None:
        return None
    return {key: aggregation.result(state) for key, state in zip(*found, strict=True)}


def by_key(pairs: list[tuple[Any, Any]], aggregation: Aggregation[Any]) -> dict[Any, Any]:
    """Return the results by the definition of the aggregation."""
    groups: dict[Any, list[Any]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: aggregation.plain(values) for key, values in groups.items()}


some_keys = st.sampled_from(["a", "b", None, ""])


@pytest.mark.parametrize("aggregation", [Sum(), Count(), Min(), Max(), Mean()])
@given(pairs=st.lists(st.tuples(some_keys, integers), min_size=1, max_size=20))
def test_integers(aggregation: Aggregation[Any], pairs: list[tuple[Any, int]]) -> None:
    """Integers are exact, also where their sum has more than 64 bits."""
    assert by_key(pairs, aggregation) == states_of(aggregation, "int", pairs)


_SPREADS = [Variance(), Variance(sample=True), StandardDeviation()]
_RANKS = [TopK(2), TopK(2, smallest=True), Quantile(0.5), Quantiles(0.1, 0.9, interpolate=False)]


@pytest.mark.parametrize("aggregation", [*_SPREADS, *_RANKS])
@given(
    pairs=st.lists(
        st.tuples(some_keys, integers | st.integers(-(1 << 31), (1 << 31) - 1)),
        min_size=1,
        max_size=20,
    )
)
@example(pairs=[("a", -(1 << 31)), ("a", (1 << 31) - 1), ("b", 1)])
def test_spreads_and_ranks_of_integers(
    aggregation: Aggregation[Any], pairs: list[tuple[Any, int]]
) -> None:
    """Squares are exact; those beyond 64 bits are left to the aggregation."""
    found = states_of(aggregation, "int", pairs)
    if aggregation in _RANKS or all(abs(value) < 1 << 31 for _, value in pairs):
        assert found is not None
    assert found is None or by_key(pairs, aggregation) == found


@pytest.mark.parametrize("aggregation", [*_SPREADS, *_RANKS])
@given(pairs=st.lists(st.tuples(some_keys, moderate | prices), min_size=1, max_size=20))
@example(pairs=[("a", 0.1)] * 10)
@example(pairs=[("a", 2047.999), ("a", -1e-7), ("a", 1e-8), ("a", -2047.5)])
@example(pairs=[("a", 0.0), ("a", -0.0)])
def test_spreads_and_ranks_of_floats(
    aggregation: Aggregation[Any], pairs: list[tuple[Any, float]]
) -> None:
    """Results are rounded once, or are left to the aggregation."""
    found = states_of(aggregation, "float", pairs)
    assert found is None or repr(by_key(pairs, aggregation)) == repr(
        {key: found[key] for key in by_key(pairs, aggregation)}
    )


@pytest.mark.parametrize("aggregation", [*_SPREADS, *_RANKS])
def test_usual_floats_are_spread_and_ranked_in_sql(aggregation: Aggregation[Any]) -> None:
    """Prices and shares do not need the values one by one; NaN and NULL do."""
    pairs: list[tuple[Any, Any]] = [("a", number / 100 + 0.001) for number in range(-500, 500)]
    assert by_key(pairs, aggregation) == states_of(aggregation, "float", pairs)
    for value in (float("nan"), float("inf"), None):
        assert states_of(aggregation, "float", [*pairs, ("a", value)]) is None


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from("ab"), st.tuples(*[st.integers(-(1 << 31), (1 << 31) - 1)] * 2)),
        min_size=1,
        max_size=20,
    )
)
def test_correlation(pairs: list[tuple[Any, tuple[int, int]]]) -> None:
    """A pair of integers is a row of two columns."""
    table = Table(
        {
            "key": ("str", [key for key, _ in pairs]),
            "x": ("int", [x for _, (x, _) in pairs]),
            "y": ("int", [y for _, (_, y) in pairs]),
        },
        len(pairs),
    )
    sql = "SELECT key, row(x, y) AS value FROM records"
    statement = statement_of(sql, "`map_sql` of J", _database())
    with registered(_database(), table, ("key", "x", "y")) as source:
        found = Query(statement, "`map_sql` of J", Correlation()).states(source)
    assert found is not None
    results = {key: Correlation().result(state) for key, state in zip(*found, strict=True)}
    assert by_key(pairs, Correlation()) == results


@pytest.mark.parametrize("aggregation", [Sum(), Mean()])
@given(pairs=st.lists(st.tuples(some_keys, moderate), min_size=1, max_size=20))
@example(pairs=[("a", 0.1)] * 10)
@example(pairs=[("a", 1e11), ("a", 1e-7), ("a", -1e11)])
@example(pairs=[("a", -0.0)])
@example(pairs=[("a", 2.0**-20), ("a", -(2.0**-60))])
def test_floats(aggregation: Aggregation[Any], pairs: list[tuple[Any, float]]) -> None:
    """Sums of floats are exactly rounded, or are left to the aggregation."""
    found = states_of(aggregation, "float", pairs)
    assert found is None or by_key(pairs, aggregation) == found


@pytest.mark.parametrize("aggregation", [Min(), Max()])
@given(pairs=st.lists(st.tuples(some_keys, floats | st.just(-0.0)), min_size=1, max_size=20))
@example(pairs=[("a", 0.0), ("a", -0.0)])
@example(pairs=[("a", -0.0), ("a", 0.0)])
def test_extremes_of_floats(aggregation: Aggregation[Any], pairs: list[tuple[Any, float]]) -> None:
    """The least and the greatest float; which of 0.0 and -0.0 is left to the aggregation."""
    found = states_of(aggregation, "float", pairs)
    if not any(repr(value) == "-0.0" for _, value in pairs):
        assert found is not None
    if found is not None:
        assert repr(sorted(by_key(pairs, aggregation).items(), key=repr)) == repr(
            sorted(found.items(), key=repr)
        )


tops = pytest.mark.parametrize("aggregation", [TopK(1), TopK(3), TopK(2, smallest=True)])


@tops
@given(pairs=st.lists(st.tuples(some_keys, integers), min_size=1, max_size=20))
def test_greatest_integers(aggregation: Aggregation[Any], pairs: list[tuple[Any, int]]) -> None:
    """The greatest or least values, in their order, equal ones too."""
    assert by_key(pairs, aggregation) == states_of(aggregation, "int", pairs)


@tops
@given(pairs=st.lists(st.tuples(some_keys, floats | st.just(-0.0)), min_size=1, max_size=20))
def test_greatest_floats(aggregation: Aggregation[Any], pairs: list[tuple[Any, float]]) -> None:
    """Floats are ordered as in Python; which of 0.0 and -0.0 is left to the aggregation."""
    found = states_of(aggregation, "float", pairs)
    assert (found is None) is any(repr(value) == "-0.0" for _, value in pairs)
    assert found is None or repr(sorted(found.items(), key=repr)) == repr(
        sorted(by_key(pairs, aggregation).items(), key=repr)
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_what_has_no_order_is_left(value: float | None) -> None:
    """NaN, infinity and NULL are refused by the aggregation."""
    assert states_of(TopK(2), "float", [("a", 1.5), ("a", value)]) is None


def test_very_many_greatest_values_are_left() -> None:
    """The database would make space for all of them for each key."""
    assert states_of(TopK(101), "int", [("a", 1)]) is None


def test_several_with_new_ones() -> None:
    """They may be among several, each of its own field or all of one value."""
    several = Several({"n": Count(), "top": TopK(2), "spread": Variance()})
    pairs: list[tuple[Any, Any]] = [("a", 3), ("a", 5), ("b", 1), ("a", 4)]
    assert by_key(pairs, several) == states_of(several, "int", pairs)


def test_usual_floats_are_summed_in_sql() -> None:
    """Prices, shares and measurements do not need the values one by one."""
    pairs: list[tuple[Any, float]] = [("a", number / 100 + 0.001) for number in range(-500, 500)]
    assert by_key(pairs, Sum()) == states_of(Sum(), "float", pairs)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, 5e-324, 1e-30, None])
def test_what_sql_cannot_sum_exactly_is_left(value: float | None) -> None:
    """One such value, and the aggregation adds the values itself, or refuses them."""
    assert states_of(Sum(), "float", [("a", 1.5), ("a", value)]) is None
    assert states_of(Mean(), "float", [("a", value)]) is None


@pytest.mark.parametrize("aggregation", [Sum(), Min(), Max(), Mean()])
def test_null_is_left_to_the_aggregation(aggregation: Aggregation[Any]) -> None:
    """SQL passes over NULL, and an aggregation refuses None."""
    assert states_of(aggregation, "int", [("a", 1), ("b", None)]) is None


def test_null_is_counted() -> None:
    """Count takes any value, None too."""
    assert states_of(Count(), "int", [("a", 1), ("a", None)]) == {"a": 2}


@given(pairs=st.lists(st.tuples(some_keys, st.text()), min_size=1, max_size=10))
def test_texts(pairs: list[tuple[Any, str]]) -> None:
    """Texts are compared by their code points, as Python does."""
    assert by_key(pairs, Min()) == states_of(Min(), "str", pairs)
    assert by_key(pairs, Max()) == states_of(Max(), "str", pairs)
    assert states_of(Sum(), "str", pairs) is None


def test_floats_have_no_least_in_sql() -> None:
    """0.0 and -0.0 are equal, and the first one counts: SQL does not know which that is."""
    assert states_of(Min(), "float", [("a", 0.0), ("a", -0.0)]) is None


def test_several_aggregations_at_once() -> None:
    """Each takes the value."""
    several = Several({"n": Count(), "sum": Sum(), "mean": Mean(), "most": Max()})
    pairs: list[tuple[Any, int]] = [("a", 1), ("b", 5), ("a", 2)]
    assert by_key(pairs, several) == states_of(several, "int", pairs)


def test_subclasses_and_other_aggregations_have_no_plan() -> None:
    """An author's subclass may change anything."""

    class Twice(Sum):
        pass

    assert not has_plan(Twice())
    assert not has_plan(Several({"n": Count(), "twice": Twice()}))
    assert not has_plan(None)


def test_groups_beyond_the_memory_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The values are added one by one where their groups do not fit into memory."""

    def short(*_given: Any) -> Any:
        raise OutOfMemoryException("short")

    table = Table({"key": ("str", ["a"]), "value": ("int", [1])}, 1)
    with registered(_database(), table, ("key", "value")) as source:
        query = Query(None, "`map_sql` of J", Sum())
        monkeypatch.setattr(Groups, "add", short)
        assert query.keep(source) is False

        def failing(*_given: Any) -> Any:
            with query._failures(source):
                short()

        monkeypatch.setattr(Query, "_rows", failing)
        assert query.states(source) is None


def test_groups_whose_properties_do_not_fit_the_memory_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their values are added one by one, and no second time as groups."""

    def short(*_given: Any) -> Any:
        raise OutOfMemoryException("short")

    table = Table({"key": ("str", ["a"]), "value": ("int", [1])}, 1)
    with registered(_database(), table, ("key", "value")) as source:
        query = Query(None, "`map_sql` of J", Sum())
        assert query.keep(source)
        with monkeypatch.context() as patch:
            patch.setattr(Groups, "_properties", short)
            assert query.keep(source) is False
        assert [(["a"], [1])] == list(query.kept(1 << 30, packs=False, keeps=False))


def test_groups_of_many_numbers_take_more() -> None:
    """The kept groups leave the database before their merge needs more memory than there is."""
    rows = 1000
    table = Table({"key": ("int", list(range(rows))), "value": ("float", [0.5] * rows)}, rows)
    for each in (1, 15):
        query = Query(None, "`map_sql` of J", Several({f"{at}": Mean() for at in range(each)}))
        with registered(_database(), table, ("key", "value")) as source:
            query.keep(source)
        assert query.kept_bytes >= 3 * 16 * each * rows
        assert rows == len(listed(query.kept(1 << 30, packs=False, keeps=False))[0])
