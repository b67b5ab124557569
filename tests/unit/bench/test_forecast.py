"""The verdict over ten forecasts."""

from __future__ import annotations

from dataclasses import replace

from bench.forecast import CASES, Held, cases, verdict

GOOD = Held(job="j", megabytes=1, earlier_runs=3, low=1.0, high=2.0, actual=1.5)


def test_eight_of_ten_must_hold() -> None:
    """Two may lie outside, three may not."""
    late = replace(GOOD, actual=3.0)
    assert [] == verdict([GOOD] * 8 + [late] * 2)
    assert ["only 7 of 10 held"] == verdict([GOOD] * 7 + [late] * 3)


def test_after_three_runs_a_range_is_narrow() -> None:
    """Before, it may be as wide as it is."""
    wide = replace(GOOD, high=2.5)
    assert 1 == len(verdict([GOOD] * 9 + [wide]))
    assert [] == verdict([GOOD] * 9 + [replace(wide, earlier_runs=2)])


def test_there_are_ten_cases_of_three_jobs() -> None:
    """One job has more than three runs, so that its range must be narrow at the end."""
    assert 10 == len(CASES)
    assert 3 == len({job for job, _ in CASES})
    assert {1, 1000} <= {size for _, size in CASES}


def test_smaller_cases_are_runs_over_other_inputs() -> None:
    """With a limit on the size no run reuses another one's tasks."""
    assert list(CASES) == cases(1000)
    assert 10 == len(set(cases(30)))
    assert 30 == max(size for _, size in cases(30))
