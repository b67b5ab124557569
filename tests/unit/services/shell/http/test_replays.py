"""A token's number is good once, and is forgotten no sooner than the token ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shell.http.replays import Crowded, ReplayGuard


def test_a_number_is_accepted_once() -> None:
    """The first time, and never again while its token is good."""
    guard = ReplayGuard()
    assert [True, False, False] == [guard.accept("a", expires=60, now=now) for now in (0, 0, 59.9)]
    assert guard.accept("b", expires=60, now=59.9)


def test_numbers_are_forgotten_when_their_tokens_end() -> None:
    """Then the token itself is refused, so that the number need not be known any more."""
    guard = ReplayGuard()
    for number in range(100):
        assert guard.accept(str(number), expires=60 + number, now=0)
    assert 100 == len(guard)
    guard.accept("later", expires=300, now=110)
    assert 49 + 1 == len(guard)


def test_memory_is_bounded() -> None:
    """At the limit nothing new is taken, and nothing known passes again; space returns with
    time.
    """
    guard = ReplayGuard(limit=2)
    assert guard.accept("a", expires=60, now=0)
    assert guard.accept("b", expires=61, now=0)
    with pytest.raises(Crowded):
        guard.accept("c", expires=60, now=1)
    assert not guard.accept("a", expires=60, now=2)
    assert guard.accept("c", expires=120, now=60)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 65), st.integers(0, 20)), max_size=60))
def test_never_twice_while_it_is_good(requests: list[tuple[int, int, int]]) -> None:
    """Whatever comes in whatever order: of one token, one use at most, until it has ended."""
    guard, now, ends = ReplayGuard(), 0, dict[str, int]()
    for number, lifetime, pause in requests:
        now += pause
        expires = ends.get(str(number), 0)
        fresh = expires <= now
        assert fresh is guard.accept(str(number), now + lifetime if fresh else expires, now)
        if fresh:
            ends[str(number)] = now + lifetime
        assert len(guard) == sum(end > now for end in ends.values())
