"""Which replicas get no requests for a while."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.decisions.ejection import (
    EJECTION,
    EjectionPolicy,
    Record,
    after_attempt,
    usable,
)
from examples.serving.router.decisions.retry import Outcome

POLICY = EjectionPolicy()
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(["good", "refused", "failed"])


def _after(outcomes: list[Outcome], now: float = 0.0, record: Record | None = None) -> Record:
    record = record or Record()
    for outcome in outcomes:
        record = after_attempt(record, outcome, now, POLICY)
    return record


@pytest.mark.parametrize(
    ("outcomes", "ejected_s"),
    [
        (["failed"] * 2, 0),
        (["failed"] * 3, 5),
        (["failed", "failed", "good", "failed", "failed"], 0),
        (["refused"] * 4, 0),
        (["refused"] * 5, 1),
        (["refused"] * 4 + ["good"] + ["refused"] * 4, 0),
        (["failed", "failed", "refused", "failed"], 5),
    ],
)
def test_failures_in_a_row_eject(outcomes: list[Outcome], ejected_s: float) -> None:
    """Three failures in a row eject for 5 s, five refusals for 1 s; a success starts anew."""
    assert _after(outcomes, now=100).until == (100 + ejected_s if ejected_s else 0)


def test_each_ejection_takes_twice_as_long_up_to_a_limit() -> None:
    """A replica that fails on probation is out again, for longer, and never over a minute."""
    record, now, times = _after(["failed"] * 3), 0.0, []
    for _ in range(7):
        times.append(record.until - now)
        now = record.until
        record = after_attempt(record, "failed", now, POLICY)
    assert times == [5, 10, 20, 40, 60, 60, 60]


def test_ejections_by_refusals_do_not_grow() -> None:
    """A replica that still loads its model is asked again each second."""
    record = _after(["refused"] * 5)
    for second in (1, 2, 3, 4):
        record = after_attempt(record, "refused", second, POLICY)
        assert record.until == second + 1


def test_a_success_forgets_everything() -> None:
    """A replica that works again has no history."""
    ejected = _after(["failed"] * 3)
    assert after_attempt(ejected, "good", ejected.until, POLICY) == Record()


def test_late_failures_do_not_prolong_an_ejection() -> None:
    """Requests that were in flight when the replica was ejected fail too; that is no news."""
    ejected = _after(["failed"] * 3)
    assert _after(["failed"] * 10, now=1, record=ejected).until == ejected.until


def test_a_replica_on_probation_gets_one_request_at_a_time() -> None:
    """After its time a replica is tried with one request; the others go elsewhere."""
    ejected, good = _after(["failed"] * 3), Record()
    assert usable([ejected, good], [0, 9], now=4.9, policy=POLICY) == [1]
    assert usable([ejected, good], [0, 9], now=5, policy=POLICY) == [0, 1]
    assert usable([ejected, good], [1, 9], now=5, policy=POLICY) == [1]


@given(
    st.lists(st.lists(OUTCOMES, max_size=8), min_size=1, max_size=10),
    st.floats(0, 100),
)
def test_some_replica_is_always_usable(outcomes: list[list[Outcome]], now: float) -> None:
    """However many fail, at most 70 % are out, and never all of them."""
    records = [_after(each) for each in outcomes]
    found = usable(records, [1] * len(records), now, POLICY)
    assert found
    if all(not record.probation for record in records):
        assert found == list(range(len(records)))


@pytest.mark.parametrize(("count", "stay"), [(1, 1), (2, 1), (3, 1), (4, 2), (10, 3)])
def test_if_all_fail_most_are_out(count: int, stay: int) -> None:
    """If all replicas fail, those stay whose ejection ends first."""
    records = [_after(["failed"] * 3, now=index / 10) for index in range(count)]
    assert usable(records, [0] * count, 1, POLICY) == list(range(stay))


def test_a_whole_group_may_be_out_if_another_stands_in() -> None:
    """A lone canary that fails is out; on probation it has one request, and the stable group the
    others.
    """
    ejected = _after(["failed"] * 3)
    assert usable([ejected], [0], 4.9, EJECTION["canary"]) == []
    assert usable([ejected], [0], 5, EJECTION["canary"]) == [0]
    assert usable([ejected], [1], 5, EJECTION["canary"]) == []
    assert usable([ejected], [0], 4.9, EJECTION["stable"]) == [0]
