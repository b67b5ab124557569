"""A token's number is accepted once, and is remembered until the token expires."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shell.http.replays import Crowded, ReplayGuard


def test_a_number_is_accepted_once() -> None:
    """A number is accepted the first time, and refused while its token is valid."""
    guard = ReplayGuard()
    assert [True, False, False] == [guard.accept("a", expires=60, now=now) for now in (0, 0, 59.9)]
    assert guard.accept("b", expires=60, now=59.9)


def test_numbers_are_forgotten_when_their_tokens_end() -> None:
    """A number is forgotten when its token expires, because the token itself is then refused."""
    guard = ReplayGuard()
    for number in range(100):
        assert guard.accept(str(number), expires=60 + number, now=0)
    assert 100 == len(guard)
    guard.accept("later", expires=300, now=110)
    assert 49 + 1 == len(guard)


def test_memory_is_bounded() -> None:
    """At the limit new numbers are refused, and known ones too; space returns as tokens expire."""
    guard = ReplayGuard(limit=2)
    assert guard.accept("a", expires=60, now=0)
    assert guard.accept("b", expires=61, now=0)
    with pytest.raises(Crowded):
        guard.accept("c", expires=60, now=1)
    assert not guard.accept("a", expires=60, now=2)
    assert guard.accept("c", expires=120, now=60)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 65), st.integers(0, 20)), max_size=60))
def test_never_twice_while_it_is_good(requests: list[tuple[int, int, int]]) -> None:
    """In any order of requests each token is accepted at most once until it expires."""
    guard, now, ends = ReplayGuard(), 0, dict[str, int]()
    for number, lifetime, pause in requests:
        now += pause
        expires = ends.get(str(number), 0)
        fresh = expires <= now
        assert fresh is guard.accept(str(number), now + lifetime if fresh else expires, now)
        if fresh:
            ends[str(number)] = now + lifetime
        assert len(guard) == sum(end > now for end in ends.values())
