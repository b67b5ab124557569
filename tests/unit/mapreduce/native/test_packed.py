"""Keys and integers in buffers are taken as the same pairs in lists are."""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import native
from tests.unit.mapreduce.native.in_python import OPERATIONS, collector, extension, packed

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
integers = st.integers(-(1 << 63), (1 << 63) - 1)
texts = st.text("aé\x00\U0001f600", max_size=6) | st.text("b", min_size=12, max_size=40)
columns = st.one_of(
    st.lists(st.tuples(texts, integers), max_size=80),
    st.lists(st.tuples(integers | st.integers(-3, 3), integers), max_size=80),
)
Buffers = tuple[bytes | None, bytes, bytes]


def buffers(pairs: list[tuple[Any, int]]) -> Buffers:
    """Return texts or integers, and their values, as the extension takes them."""
    keys, values = [key for key, _ in pairs], array("q", [value for _, value in pairs]).tobytes()
    if keys and isinstance(keys[0], int):
        return None, array("q", keys).tobytes(), values
    data = [key.encode() for key in keys]
    ends = array("i", [0, *accumulate(map(len, data))]).tobytes()
    return ends, b"".join(data), values


def taken(name: str, limit: int, pairs: list[tuple[Any, int]], *, in_buffers: bool) -> Any:
    """Return the packed pairs of each fill of a collector, and what is refused or left."""
    given_pairs, found = collector(name, 3, limit), []
    ends, data, values = buffers(pairs)
    lists = [key for key, _ in pairs], [value for _, value in pairs]
    state, at, refused = extension.FULL, 0, ()
    while state == extension.FULL:
        if in_buffers:
            state, at, refused = given_pairs.add_packed(ends, data, values, at)
        else:
            state, at, refused = given_pairs.add_columns(*lists, at)
        given_pairs.sort()
        found.append(packed(given_pairs))
        given_pairs.clear()
    return found, state, at, refused


@settings(max_examples=150)
@given(pairs=columns, limit=st.sampled_from([0, 6000, 1 << 20]))
@example([("a", (1 << 63) - 1), ("b", 1), ("a", 1), ("c", 2)], 1 << 20)
@example([(-(1 << 63), 1), ((1 << 63) - 1, 2), (0, 3), (-1, 4)], 1 << 20)
@example([(1, -(1 << 63)), (1, -1), (2, 5)], 1 << 20)
@pytest.mark.parametrize("name", [name for name, _ in OPERATIONS] + ["KEEP"])
def test_buffers_are_lists(name: str, pairs: list[tuple[Any, int]], limit: int) -> None:
    """Texts and integers of any length give the same pairs, and the same ones are refused."""
    assert taken(name, limit, pairs, in_buffers=False) == taken(name, limit, pairs, in_buffers=True)


@pytest.mark.parametrize(
    ("given_buffers", "at", "said"),
    [
        ((b"", b"", b""), 0, "do not lie one behind the other"),
        ((array("i", [0, 2, 1]).tobytes(), b"abc", bytes(16)), 0, "do not lie one behind"),
        ((array("i", [0, 4]).tobytes(), b"abc", bytes(8)), 0, "do not lie one behind"),
        ((array("i", [-1, 1]).tobytes(), b"abc", bytes(8)), 0, "do not lie one behind"),
        ((array("i", [0, 1]).tobytes(), b"abc", bytes(9)), 0, "of two lengths"),
        ((None, bytes(16), bytes(8)), 0, "of two lengths"),
        ((None, bytes(8), bytes(8)), -1, "below 0"),
    ],
)
def test_buffers_must_fit_together(given_buffers: Buffers, at: int, said: str) -> None:
    """Nothing is read beyond a buffer."""
    with pytest.raises(ValueError, match=said):
        collector("SUM").add_packed(*given_buffers, at)


def test_no_pair_is_taken_beyond_the_last_one() -> None:
    """A place behind the end is the end."""
    assert (extension.ENDED, 7, ()) == collector("SUM").add_packed(None, bytes(8), bytes(8), 7)
