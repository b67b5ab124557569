"""Keys and states in columns are kept as the same keys and states in Python are."""

from __future__ import annotations

from array import array
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import Quantile, StandardDeviation, Sum, native
from mapreduce.columns.aggregates import plan_of
from mapreduce.encoding import encode_key, encode_value
from tests.unit.mapreduce.native.in_python import collector, extension, packed

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
texts = st.none() | st.text("aé\x00\U0001f600", max_size=6) | st.text("b", min_size=12, max_size=40)
integers = st.none() | st.integers(-(1 << 63), (1 << 63) - 1)
bools = st.none() | st.booleans()
numbers = st.integers(-(1 << 60), 1 << 60)
rows = st.lists(
    st.tuples(
        texts, integers, bools, numbers, numbers, st.floats(allow_nan=False, allow_infinity=False)
    ),
    max_size=30,
)
Field = tuple[bytes | None, bytes | None, bytes]


def field(values: list[Any]) -> Field:
    """Return a column of texts, or of integers or bools."""
    valid = bytearray((len(values) + 7) // 8)
    for at, value in enumerate(values):
        valid[at // 8] |= (value is not None) << at % 8
    nulls = bytes(valid) if None in values else None
    if any(isinstance(value, str) for value in values):
        data = [(value or "").encode() for value in values]
        ends = array("i", [0, *accumulate(map(len, data))]).tobytes()
        return nulls, ends, b"".join(data)
    return nulls, None, array("q", [value or 0 for value in values]).tobytes()


def kept(keys: Any, layout: str, columns: tuple[bytes, ...], count: int, limit: int) -> Any:
    """Return the packed pairs that a collector keeps."""
    steps, fields = keys
    given_pairs, found = collector("KEEP", 1, limit), []
    state, at = extension.FULL, 0
    while state == extension.FULL:
        state, at = given_pairs.add_states(steps, fields, layout, columns, count, at)
        given_pairs.sort()
        found += packed(given_pairs)
        given_pairs.clear()
    assert state == extension.ENDED
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(rows=rows, limit=st.sampled_from([0, 6000, 1 << 20]))
def test_tuples_and_lists(rows: list[tuple[Any, ...]], limit: int) -> None:
    """Nested tuples of any fields, NULL among them; a list of an integer, a float and a sum."""
    columns = [[row[at] for row in rows] for at in range(6)]
    fields = [field(column) for column in columns[:3]]
    if not any(isinstance(value, str) for value in columns[0]):
        return
    state_columns = (
        array("q", columns[3]).tobytes(),
        array("q", columns[3]).tobytes(),
        array("q", columns[4]).tobytes(),
        array("d", columns[5]).tobytes(),
    )
    found = kept(("(t(nb))", tuple(fields)), "[i[f]d]", state_columns, len(rows), limit)
    plan = plan_of_float_sum()
    expected = []
    for text, number, flag, high, low, real in rows:
        (total,) = plan.states([[high], [low]])
        key = encode_key((text, (number, flag)))
        expected.append((key, encode_value([high, [total], real])))
    assert sorted(expected) == found


def plan_of_float_sum() -> Any:
    """Return the plan of a sum of floats."""
    # not the database's own type: its library does not run under the sanitizers
    double: Any = SimpleNamespace(id="double")
    return plan_of(Sum(), "value", double)


@given(
    lists=st.lists(
        st.lists(
            st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.5, 1.5]),
            min_size=1,
            max_size=9,
        ),
        max_size=6,
    ),
    are_integers=st.booleans(),
    limit=st.sampled_from([0, 1 << 20]),
)
@example(lists=[[float(each) for each in range(70_000)]], are_integers=False, limit=1 << 20)
@example(lists=[[1.0, 1.0], [1.0, 2.0, 2.0]], are_integers=True, limit=0)
def test_quantiles(lists: list[list[float]], are_integers: bool, limit: int) -> None:
    """Lists of integers and of floats; values are counted if that makes a state shorter."""
    kind: Any = SimpleNamespace(id="bigint" if are_integers else "double")
    given_lists: Any = [
        [int(each) % (1 << 63) if are_integers else each + 0.0 for each in values]
        for values in lists
    ]
    ends = array("i", [2, *accumulate(map(len, given_lists), initial=2)][1:]).tobytes()
    letter = "q" if are_integers else "d"
    values = array(letter, [7, 7, *(each for some in given_lists for each in some)]).tobytes()
    plan = plan_of(Quantile(0.5), "value", kind)
    assert plan is not None
    assert plan.layout == ("q" if are_integers else "r")
    keys = ("n", ((None, None, array("q", range(len(lists))).tobytes()),))
    found = kept(keys, f"[{plan.layout}]", (ends, values), len(lists), limit)
    states = plan.states([given_lists])
    expected = [(encode_key(at), encode_value([state])) for at, state in enumerate(states)]
    assert sorted(expected) == found


wide = st.integers(-(1 << 110), 1 << 110)


@pytest.mark.parametrize(("kind", "sums"), [("bigint", 2), ("double", 8)])
@given(data=st.data())
def test_variances(kind: str, sums: int, data: st.DataObject) -> None:
    """Sums of 128 bits make integers of up to 256."""
    given_rows = data.draw(st.lists(st.tuples(st.integers(1, 1 << 40), *[wide] * sums), max_size=6))
    columns: Any = list(zip(*given_rows, strict=True)) or [[] for _ in range(sums + 1)]
    duck: Any = SimpleNamespace(id=kind)
    plan = plan_of(StandardDeviation(), "value", duck)
    assert plan is not None
    assert plan.layout is not None
    buffers = (
        array("q", columns[0]).tobytes(),
        *(
            b"".join(each.to_bytes(16, "little", signed=True) for each in one)
            for one in columns[1:]
        ),
    )
    keys = ("n", ((None, None, array("q", range(len(given_rows))).tobytes()),))
    found = kept(keys, plan.layout, buffers, len(given_rows), 1 << 20)
    states = plan.states(columns)
    expected = [(encode_key(at), encode_value(state)) for at, state in enumerate(states)]
    assert sorted(expected) == found


@given(rows=rows)
def test_keys_of_one_field(rows: list[tuple[Any, ...]]) -> None:
    """A text or an integer alone has no end mark."""
    for at, step in enumerate("tnb"):
        column = [row[at] for row in rows]
        if step == "t" and not any(isinstance(value, str) for value in column):
            continue
        states = array("q", range(len(rows))).tobytes()
        found = kept((step, (field(column),)), "[ix]", (states, states), len(rows), 1 << 20)
        expected = [(encode_key(key), encode_value([each])) for each, key in enumerate(column)]
        assert sorted(expected) == found


def test_a_sum_beyond_the_columns_is_refused() -> None:
    """The caller's sums are small."""
    high = array("q", [1, 1 << 62]).tobytes()
    keys = ("n", ((None, None, array("q", [1, 2]).tobytes()),))
    answer = collector("KEEP", 1, 1 << 20).add_states(*keys, "f", (high, high), 2, 0)
    assert (extension.REFUSED, 1) == answer


ONE = (None, None, bytes(8))


@pytest.mark.parametrize(
    ("steps", "fields", "layout", "columns", "count"),
    [
        ("n", (ONE,), "i", (bytes(8),), 2),
        ("n", (ONE,), "i", (bytes(7),), 1),
        ("n", (ONE,), "ii", (bytes(8),), 1),
        ("n", (ONE,), "i", (bytes(8), bytes(8)), 1),
        ("n", (ONE,), "[i", (bytes(8),), 1),
        ("n", (ONE,), "i]", (bytes(8),), 1),
        ("n", (ONE,), "z", (bytes(8),), 1),
        ("n", (ONE,), "q", (bytes(8),), 1),
        ("n", (ONE,), "r", (bytes(4), bytes(8)), 1),
        ("n", (ONE,), "r", (array("i", [0, 2]).tobytes(), bytes(15)), 1),
        ("n", (ONE,), "r", (array("i", [1, 0]).tobytes(), bytes(8)), 1),
        ("n", (ONE,), "r", (array("i", [-1, 0]).tobytes(), bytes(8)), 1),
        ("n", (ONE,), "w", (bytes(8), bytes(16), bytes(8)), 1),
        ("n", (ONE,), "w", (bytes(8), bytes(16)), 1),
        ("n", (ONE,), "v", (bytes(8), *[bytes(16)] * 7), 1),
        ("n", (ONE,), "", (), 1),
        ("nn", (ONE, ONE), "i", (bytes(8),), 1),
        ("(n", (ONE,), "i", (bytes(8),), 1),
        ("(n)n", (ONE, ONE), "i", (bytes(8),), 1),
        (")n(", (ONE,), "i", (bytes(8),), 1),
        ("n", (ONE, ONE), "i", (bytes(8),), 1),
        ("", (), "i", (bytes(8),), 1),
        ("t", (ONE,), "i", (bytes(8),), 1),
        ("t", ((None, bytes(4), b""),), "i", (bytes(8),), 1),
        ("t", ((None, array("i", [0, 9]).tobytes(), b"a"),), "i", (bytes(8),), 1),
        ("t", ((None, array("i", [2, 1]).tobytes(), b"abc"),), "i", (bytes(8),), 1),
        ("n", ((b"", None, bytes(8)),), "i", (bytes(8),), 1),
        ("n", ("no tuple",), "i", (bytes(8),), 1),
    ],
)
def test_columns_of_another_form_are_refused(
    steps: str, fields: Any, layout: str, columns: tuple[bytes, ...], count: int
) -> None:
    """Lengths and steps are checked before any row is read."""
    given_pairs = collector("KEEP", 1, 1 << 20)
    with pytest.raises(ValueError, match="columns"):
        given_pairs.add_states(steps, fields, layout, columns, count, 0)
    assert len(given_pairs) == 0


def test_only_a_collector_that_keeps_takes_states() -> None:
    """The others combine integers."""
    with pytest.raises(ValueError, match="kept"):
        collector("SUM", 1, 1 << 20).add_states("n", (ONE,), "i", (bytes(8),), 1, 0)
