"""The verdicts: met, missed and not measured, and the goals over all jobs."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bench.case import Case, Goal
from bench.cases.work import work_ratio, work_s
from bench.goals import OVERALL, Section, geometric_mean, verdicts
from bench.page import rows_of
from bench.results import Record
from tests.unit.bench.records import CODE, record, trial


def section(
    *goals: Goal,
    jobs: Mapping[str, float | None] | None = None,
    records: tuple[Record, ...] = (),
) -> Section:
    """Return a section of a case with these goals and ratios to a warm PySpark."""
    rows = rows_of([trial("ours"), trial("peer")], records, CODE)
    ratios = (lambda rows: jobs) if jobs is not None else None
    return Section(
        Case("case", "A case", "", lambda scale: [], (), goals, against_warm_spark=ratios), rows
    )


def test_each_goal_has_a_verdict() -> None:
    """A goal that is missed is shown as one that is met is; an unmeasured one says so."""
    goals = (
        Goal("speed", "at least", 2, lambda rows: 2.0),
        Goal("time", "at most", 2, lambda rows: 2.5),
        Goal("other", "at most", 2, lambda rows: None),
        Goal("whole", "at most", 0.6, lambda rows: 0.55, unit=" s"),
    )
    assert [
        ("speed: at least 2x", "2.00x", "met"),
        ("time: at most 2x", "2.50x", "**not met**"),
        ("other: at most 2x", "-", "not measured"),
        ("whole: at most 0.6 s", "0.55 s", "met"),
    ] == [(each.goal, each.measured, each.shown) for each in verdicts([section(*goals)])]


def test_the_mean_and_the_worst_are_over_the_jobs_of_all_cases() -> None:
    """The geometric mean of 4, 1 and 2 is 2, whichever case they are of."""
    found = verdicts([section(jobs={"a": 4.0, "b": 1.0}), section(), section(jobs={"c": 2.0})])
    assert [OVERALL, OVERALL] == [each.case for each in found]
    assert [pytest.approx(2.0), 1.0] == [each.ratio for each in found]
    assert "3 jobs" in found[0].goal
    assert "(b)" in found[1].goal
    assert "met" == found[1].outcome


def test_jobs_that_were_not_measured_are_counted() -> None:
    """The mean of some jobs only says so; of none it is not measured."""
    some, _ = verdicts([section(jobs={"a": 1.0, "b": None})])
    assert "1 of 2 jobs" in some.goal
    assert "not met" == some.outcome
    assert {"not measured"} == {each.outcome for each in verdicts([section(jobs={"a": None})])}


def test_geometric_mean() -> None:
    """A job that is half as fast takes back one that is twice as fast."""
    assert 1.0 == pytest.approx(geometric_mean([0.5, 2.0]))


def test_work_leaves_out_the_start_and_the_beginnings_of_the_stages() -> None:
    """Ours counts its stages without 0.3 s, a peer its query alone."""
    ours = record("ours", 9.0, split=0.1, map_wall=1.0, reduce=1.2, start=5.0)
    found = section(records=(ours, record("peer", 9.0, inner_s=4.0)))
    assert found.rows["ours", ""].ok is not None
    assert 2.0 == pytest.approx(work_s(found.rows["ours", ""].ok))
    assert 2.0 == pytest.approx(work_ratio(found.rows, "peer"))
