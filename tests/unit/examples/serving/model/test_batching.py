"""How large the next batch is: what waits, up to a limit that follows the latency."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from examples.serving.model.batching import SizePolicy, batch_length

POLICY = SizePolicy(latency_s=0.02, first=8, largest=64)
waiting = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=20)


def test_a_full_batch_in_time_raises_the_limit() -> None:
    """The limit grows by a step, up to the largest."""
    assert 10 == POLICY.after(8, rows=8, took_s=0.02)
    assert 64 == POLICY.after(63, rows=63, took_s=0.001)


def test_a_batch_that_is_not_full_shows_nothing() -> None:
    """A fast batch below the limit leaves it as it is."""
    assert 8 == POLICY.after(8, rows=7, took_s=0.001)


def test_a_slow_batch_lowers_the_limit_by_a_tenth() -> None:
    """One slow batch, full or not, takes a tenth; the limit stays at 1 at least."""
    assert 57 == POLICY.after(64, rows=64, took_s=0.021)
    assert 57 == POLICY.after(64, rows=1, took_s=0.021)
    assert 1 == POLICY.after(2, rows=2, took_s=1)
    assert 1 == POLICY.after(1, rows=1, took_s=1)


def test_without_batching_the_limit_is_one_for_ever() -> None:
    """A largest of 1 is a server that does not batch."""
    policy = SizePolicy(latency_s=0.02, largest=1)
    assert 1 == policy.start == policy.after(1, rows=1, took_s=0.001)


@given(st.floats(0.0001, 0.01), st.floats(0.00001, 0.002))
def test_the_limit_settles_where_the_latency_is_reached(fixed_s: float, row_s: float) -> None:
    """Under constant load the limit comes close to the rows that fit the latency, and stays."""

    def took_s(rows: int) -> float:
        return fixed_s + rows * row_s

    policy = SizePolicy(latency_s=0.02)
    limit, limits = policy.start, []
    for _ in range(1200):
        limit = policy.after(limit, limit, took_s(limit))
        limits.append(limit)
    fitting = max(1, min(policy.largest, int((0.02 - fixed_s) / row_s)))
    settled = limits[-200:]
    assert max(settled) <= fitting + policy.step + 1
    assert min(settled) >= min(fitting, int(fitting * policy.kept)) - policy.step - 1


@given(waiting, st.integers(1, 30))
def test_a_batch_is_the_longest_of_one_kind_that_fits(
    requests: list[tuple[int, int]], limit: int
) -> None:
    """It takes the oldest requests, of one kind, as many as fit, and one at least."""
    length = batch_length(requests, limit)
    taken = requests[:length]
    assert (length >= 1) == bool(requests)
    assert len({kind for kind, _ in taken}) <= 1
    assert length <= 1 or sum(rows for _, rows in taken) <= limit
    if taken and length < len(requests):
        kind, rows = requests[length]
        assert kind != taken[0][0] or sum(each for _, each in taken) + rows > limit


def test_a_request_over_the_limit_runs_alone() -> None:
    """A single request may have more rows than the limit."""
    assert 1 == batch_length([("a", 360), ("a", 1)], limit=8)
    assert 0 == batch_length([], limit=8)
