"""Keys and values of every kind for hypothesis, and the plain definition of the order of keys."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from mapreduce.encoding import Key, Value

_edges = [
    sign * ((1 << bits) + step)
    for bits in (7, 8, 16, 63, 64, 200)
    for sign in (1, -1)
    for step in (-1, 0, 1)
]

integers = st.integers() | st.integers(-(1 << 1000), 1 << 1000) | st.sampled_from(_edges)
floats = st.floats(allow_nan=False, allow_infinity=False)
near_texts = st.text(alphabet="\x00\x01aé\uffff\U0001f600", max_size=4)
near_bytes = st.lists(st.sampled_from([0, 1, 97, 255]), max_size=4).map(bytes)

scalars: st.SearchStrategy[Key] = st.one_of(
    st.booleans(), integers, floats, st.binary(), near_bytes, st.text(), near_texts
)
keys: st.SearchStrategy[Key] = st.recursive(
    scalars, lambda items: st.lists(items, max_size=4).map(tuple), max_leaves=8
)
values: st.SearchStrategy[Value] = st.recursive(
    st.none() | scalars,
    lambda items: st.one_of(
        st.lists(items, max_size=4),
        st.lists(items, max_size=4).map(tuple),
        st.dictionaries(st.text(max_size=5), items, max_size=4),
    ),
    max_leaves=10,
)


def rank(key: Any) -> tuple[int, Any]:
    """Return a key as Python orders it: by type, then by value, tuples item by item."""
    order = [bool, int, float, bytes, tuple, str].index(type(key))
    return order, tuple(map(rank, key)) if type(key) is tuple else key
