"""Values that are read more than once."""

from __future__ import annotations

import tempfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Spool
from mapreduce.encoding.refusals import NotCarriable
from tests.unit.mapreduce.any_keys import values


@given(st.lists(values), st.integers(0, 60))
def test_any_values(given_values: list[Any], memory_bytes: int) -> None:
    """A spool yields its values in order, as often as it is asked, within memory or beyond."""
    spool = Spool(given_values[:2], memory_bytes)
    for value in given_values[2:]:
        spool.append(value)
    assert len(given_values) == len(spool)
    assert bool(given_values) == bool(spool)
    assert repr(given_values) == repr(list(spool)) == repr(list(spool))
    spool.clear()
    assert [] == list(spool)
    spool.append("again")
    assert ["again"] == list(spool)


def test_iterations_in_turn() -> None:
    """Several iterations of a spool on disk do not disturb each other, nor does an append."""
    numbers = [f"{number}" * 400 for number in range(3000)]
    spool = Spool(numbers, 100)
    one, other = iter(spool), iter(spool)
    assert numbers[:1500] == [next(one) for _ in range(1500)]
    assert numbers[:10] == [next(other) for _ in range(10)]
    spool.append("last")
    assert numbers[1500:] == [next(one) for _ in range(1500)]
    assert [*numbers, "last"] == list(spool)


def test_only_what_is_more_goes_to_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values within the limit open no file."""
    monkeypatch.delattr(tempfile, "TemporaryFile")
    assert list(range(50)) == list(Spool(range(50), 50))
    with pytest.raises(AttributeError, match="TemporaryFile"):
        Spool(range(51), 50)


def test_a_value_that_no_pair_carries_is_refused() -> None:
    """A value is refused as in a pair."""
    with pytest.raises(NotCarriable, match="object"):
        Spool([object()])
