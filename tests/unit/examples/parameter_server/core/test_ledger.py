"""The account of leases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.parameter_server.core.ledger import (
    DUPLICATE,
    NOT_FINITE,
    UNANSWERED,
    Ledger,
    check,
)
from examples.parameter_server.core.spec import Counts
from mapreduce.errors import LedgerError


def test_a_lease_ends_once() -> None:
    """What comes for a lease that has ended changes nothing."""
    ledger = Ledger()
    ledger.lease(1)
    assert ledger.apply(1)
    assert not ledger.apply(1)
    assert not ledger.refuse(1, DUPLICATE)
    assert Counts(leased=1, applied=1) == ledger.counts


def test_open_leases_end_with_the_run() -> None:
    """At the end a lease without a push is refused as unanswered."""
    ledger = Ledger()
    ledger.lease(1)
    ledger.lease(2)
    ledger.apply(2)
    ledger.close()
    assert Counts(leased=2, applied=1, refused={UNANSWERED: 1}) == ledger.counts
    assert 0 == ledger.open


def test_a_cut_leaves_open_leases_out() -> None:
    """The counts of a cut add up with open leases too."""
    ledger = Ledger()
    for number in range(5):
        ledger.lease(number)
    ledger.apply(0)
    ledger.apply(1)
    ledger.refuse(2, NOT_FINITE)
    assert Counts(leased=2, applied=1, refused={NOT_FINITE: 1}) == ledger.at_cut(1)


def test_it_goes_on_from_a_cut() -> None:
    """Counts of before a restart are kept."""
    ledger = Ledger(Counts(leased=3, applied=2, refused={DUPLICATE: 1}))
    ledger.lease(1)
    ledger.refuse(1, DUPLICATE)
    assert Counts(leased=4, applied=2, refused={DUPLICATE: 2}) == ledger.counts


@pytest.mark.parametrize(
    ("counts", "gradients"),
    [
        (Counts(leased=3, applied=2), 2),
        (Counts(leased=2, applied=2), 3),
        (Counts(leased=3, applied=3), 2),
        (Counts(leased=2, applied=2, refused={DUPLICATE: 1}), 2),
    ],
)
def test_an_account_that_is_off_is_an_error(counts: Counts, gradients: int) -> None:
    """A lease without an end, or a gradient too many or too few, refuses the model."""
    with pytest.raises(LedgerError, match="not marked as done"):
        check(counts, gradients)


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["apply", "refuse"])), max_size=60))
def test_leased_is_applied_and_refused(events: list[tuple[int, str]]) -> None:
    """After any events in any order the account adds up at the end."""
    ledger = Ledger()
    for number in range(10):
        ledger.lease(number)
    for number, kind in events:
        _ = ledger.apply(number) if kind == "apply" else ledger.refuse(number, DUPLICATE)
    ledger.close()
    counts = ledger.counts
    first = dict(reversed(events))
    assert counts.leased == counts.applied + sum(counts.refused.values())
    assert sum(kind == "apply" for kind in first.values()) == counts.applied
    check(counts, counts.applied)
