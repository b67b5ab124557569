"""Whether a failed attempt is followed by another one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.serving.router.decisions.retry import Budget, outcome_of


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, "good") for status in (200, 400, 404, 405, 413, 415)),
        (503, "refused"),
        *((status, "failed") for status in (500, 502, 504)),
        (401, "denied"),
    ],
)
def test_the_outcome_of_a_status(status: int, outcome: str) -> None:
    """An answer that blames the request is good; one that blames the replica is not."""
    assert outcome_of(status) == outcome


@pytest.mark.parametrize(
    ("outcome", "attempts", "again"),
    [
        ("good", 1, False),
        ("failed", 1, True),
        ("refused", 1, True),
        ("failed", 2, False),
        ("refused", 2, False),
        ("unreached", 0, True),
        ("unreached", 1, True),
        ("unreached", 2, False),
    ],
)
def test_one_retry(outcome: str, attempts: int, again: bool) -> None:
    """A request has two attempts at most."""
    assert Budget().allows(outcome, attempts, is_free=False) is again  # type: ignore[arg-type]


def test_an_empty_budget_allows_nothing() -> None:
    """Without a whole retry left there is none."""
    assert not Budget(retries=0.99).allows("failed", 1, is_free=False)
    assert Budget(retries=0).allows("unreached", 0, is_free=True)
    assert Budget(retries=1.0).allows("failed", 1, is_free=False)


@given(st.integers(0, 500))
def test_a_storm_is_bounded(requests: int) -> None:
    """If every attempt fails, retries are a fifth of the requests and the savings, no more."""
    budget, retries = Budget(), 0
    for _ in range(requests):
        budget = budget.earned()
        if budget.allows("failed", 1, is_free=False):
            budget = budget.spent()
            retries += 1
    assert retries <= 20 + 0.2 * requests
    assert retries >= min(requests, 20)


@given(st.lists(st.booleans(), max_size=300))
def test_savings_have_an_end(spends: list[bool]) -> None:
    """The budget stays between nothing and its most."""
    budget = Budget()
    for spend in spends:
        budget = budget.earned()
        if spend and budget.allows("failed", 1, is_free=False):
            budget = budget.spent()
        assert 0 <= budget.retries <= budget.most
