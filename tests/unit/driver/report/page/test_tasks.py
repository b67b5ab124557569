"""The tasks of a run, from its events and its report."""

from __future__ import annotations

from driver.plan.outcomes import Volumes
from driver.report.page.tasks import task_lines
from tests.unit.driver.report.page.made import BEGAN, attempt, model, report, row, small_document


def test_a_task_is_its_attempt_that_counts() -> None:
    """Of a task that failed once, the second attempt counts, and both are counted."""
    line = next(each for each in small_document().tasks if each.name == "map-1")
    assert ("done", 2, BEGAN + 2, 2.0) == (line.state, line.attempts, line.started, line.seconds)


def test_a_task_that_was_done_again_is_its_last_attempt() -> None:
    """Its first output was lost; an attempt that failed after that does not count either."""
    run = model(
        attempt("map-0", 0, 1),
        attempt("map-0", 5, 8, number=2),
        attempt("map-0", 8, 9, number=3, state="failed"),
    )
    (line,) = task_lines(run, None)
    assert ("done", 3, 3.0) == (line.state, line.attempts, line.seconds)


def test_tasks_are_in_the_order_of_stages_and_numbers() -> None:
    """Split, map and reduce tasks, each by number."""
    run = model(attempt("reduce-0", 2, 3), attempt("map-10", 1, 2), attempt("map-9", 1, 2))
    assert ["map-9", "map-10", "reduce-0"] == [each.name for each in task_lines(run, None)]


def test_a_reused_task_is_known_from_the_report() -> None:
    """It has no attempt in this run, and the volumes of the earlier one."""
    rows = (row("map", 0, reused=True, seconds=5.0), row("map", 1))
    first, second = task_lines(model(attempt("map-1", 0, 2)), report(tasks=rows))
    assert ("reused", 5.0, None) == (first.state, first.seconds, first.started)
    assert ("done", 2.0) == (second.state, second.seconds)


def test_volumes_that_events_do_not_tell_are_those_of_the_report() -> None:
    """Spark's events have none."""
    run = model(attempt("map-0", 0, 2, volumes=Volumes()))
    (line,) = task_lines(run, report(tasks=(row("map", 0),)))
    assert (1000, 1.0) == (line.volumes.bytes_in, line.seconds)


def test_what_failed_or_runs_is_listed_too() -> None:
    """A failed run has no report: its tasks are those of its events."""
    run = model(
        attempt("map-0", 0, 1, state="failed"),
        attempt("map-1", 0, None),
        now=BEGAN + 3,
    )
    assert [("failed", 1.0), ("running", 3.0)] == [
        (each.state, each.seconds) for each in task_lines(run, None)
    ]


def test_the_steps_of_a_chain_are_apart() -> None:
    """Tasks of the same name in two steps are two tasks."""
    run = model(attempt("map-0", 0, 1, step=1), attempt("map-0", 1, 2, step=2), steps=("a", "b"))
    assert ["1:map-0", "2:map-0"] == [each.name for each in task_lines(run, None)]


def test_events_that_do_not_tell_the_steps_apart_are_left_out() -> None:
    """A chain of an older version has the tasks of its report, each once."""
    run = model(attempt("map-0", 0, 1), attempt("map-0", 1, 2))
    rows = (row("map", 0, step=1), row("map", 0, step=2))
    lines = task_lines(run, report(tasks=rows, steps=("a", "b")))
    assert ["1:map-0", "2:map-0"] == [each.name for each in lines]
