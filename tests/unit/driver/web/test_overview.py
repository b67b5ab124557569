"""The rows, jobs and trends of the pages of runs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from driver.web.overview import (
    TREND_HEIGHT,
    TREND_RUNS,
    TREND_WIDTH,
    Choice,
    RunRow,
    before,
    chosen,
    jobs,
    trend,
)


def _row(run: str, **changes: object) -> RunRow:
    values: dict[str, object] = {"run": run, "state": "done", "job": "Count", **changes}
    return RunRow(**values)  # type: ignore[arg-type]


def test_rows_are_chosen_by_state_job_and_text() -> None:
    """A choice leaves what fits all of it, newest first; text ignores case."""
    rows = [
        _row("run-1-owl", created=1.0),
        _row("run-2-fox", created=2.0, state="failed"),
        _row("run-3-owl", created=3.0, job="Other"),
    ]
    assert ["run-3-owl", "run-2-fox", "run-1-owl"] == [row.run for row in chosen(rows, Choice())]
    assert ["run-2-fox"] == [row.run for row in chosen(rows, Choice(state="failed"))]
    assert ["run-1-owl"] == [row.run for row in chosen(rows, Choice(text="OWL", job="Count"))]
    assert not Choice()
    assert Choice(text="x")


def test_jobs_are_counted_with_their_last_run() -> None:
    """Each job has a line, the one that ran last first; rows without a job have none."""
    rows = [
        _row("b", created=2.0, state="failed"),
        _row("a", created=1.0),
        _row("c", created=9.0, job="Other"),
        _row("d", job=""),
    ]
    lines = jobs(rows)
    assert [("Other", 1, "c"), ("Count", 2, "b")] == [
        (line.job, line.runs, line.last.run) for line in lines
    ]


def test_a_trend_needs_two_runs_that_are_done() -> None:
    """One run, and runs that failed, make no trend."""
    assert trend([_row("a", seconds=1.0), _row("b", seconds=2.0, state="failed")]) is None
    found = trend([_row("a", seconds=1.0), _row("b", seconds=3.0)])
    assert found is not None
    assert (2.0, 3.0) == (found.median_s, found.last_s)


@given(st.lists(st.floats(min_value=0, max_value=1e9), min_size=2))
def test_a_trend_lies_in_its_box(seconds: list[float]) -> None:
    """Whatever the durations, the line has the last runs, from left to right, in its box."""
    found = trend([_row(str(number), seconds=each) for number, each in enumerate(seconds)])
    assert found is not None
    assert min(len(seconds), TREND_RUNS) == len(found.points)
    assert sorted(x for x, _ in found.points) == [x for x, _ in found.points]
    assert (0.0, float(TREND_WIDTH)) == (found.points[0][0], found.points[-1][0])
    assert all(0 <= y <= TREND_HEIGHT for _, y in found.points)


def test_the_run_before_is_the_last_one_of_the_same_job() -> None:
    """Of the earlier runs of a job the last one counts; a first or unknown run has none."""
    rows = [
        _row("a", created=1.0),
        _row("b", created=2.0),
        _row("c", created=3.0, job="Other"),
        _row("d", created=4.0),
    ]
    assert ["", "a", "", "b", ""] == [before(rows, run) for run in ("a", "b", "c", "d", "e")]
