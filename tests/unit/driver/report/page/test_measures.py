"""The measures of a run, against plain counting."""

from __future__ import annotations

import math
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from driver.plan.outcomes import Volumes
from driver.report.model import StageModel
from driver.report.page.document import RunDocument
from driver.report.page.measures import METRICS, QUANTILES, losses, phases, quantiles, skew
from driver.report.page.tasks import TaskLine
from tests.unit.driver.report.page.made import (
    attempt,
    model,
    report,
    small_document,
    stage,
)
from tests.unit.driver.samples import run_plan

SECONDS = METRICS[0]


def _line(index: int, seconds: float) -> TaskLine:
    return TaskLine(
        step=0,
        stage="map",
        index=index,
        state="done",
        attempts=1,
        endpoint="mapper-0",
        started=0.0,
        seconds=seconds,
        volumes=Volumes(),
    )


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_a_quantile_is_the_value_of_a_task_that_enough_tasks_stay_under(
    seconds: list[float],
) -> None:
    """At least the stated share of all values is no greater, and a smaller value has too few."""
    found = quantiles([_line(index, each) for index, each in enumerate(seconds)], SECONDS)
    for percent, (value, task) in zip(QUANTILES, found, strict=True):
        assert seconds[int(task.removeprefix("map-"))] == value
        needed = max(1, math.ceil(percent * len(seconds) / 100))
        assert sum(each <= value for each in seconds) >= needed
        assert sum(each < value for each in seconds) < needed


def test_quantiles_name_the_least_and_the_greatest_task() -> None:
    """The first is the least and the last the greatest, each with its task."""
    found = quantiles([_line(0, 3.0), _line(1, 1.0), _line(2, 9.0)], SECONDS)
    assert (1.0, "map-1") == found[0]
    assert (3.0, "map-0") == found[3]
    assert (9.0, "map-2") == found[-1]


def test_no_task_has_no_quantiles() -> None:
    """Without a task there is no value."""
    assert quantiles([], SECONDS) == []


def test_the_rate_of_a_task_without_time_is_0() -> None:
    """A task that took no measurable time does not end the page."""
    rate = next(metric for metric in METRICS if metric.unit == "bytes/s")
    assert rate.of(_line(0, 0.0)) == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([5], None), ([0, 0, 0], None), ([2, 2, 2], 1.0), ([1, 2, 8], 4.0)],
)
def test_the_skew_score(values: list[float], expected: float | None) -> None:
    """It is the greatest value by the median, where both say something."""
    assert expected == skew(values)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=40))
def test_the_skew_score_is_the_greatest_by_the_median(values: list[float]) -> None:
    """It is never below 1."""
    assert skew(values) == max(values) / median(values)


def test_a_stage_without_loss() -> None:
    """Two slots that work all the time lose nothing."""
    run = model(
        attempt("map-0", 0, 2, 0),
        attempt("map-1", 0, 2, 1),
        stages=(stage("map", 0, 2, slots=2),),
    )
    (found,) = losses(run)
    assert (2.0, 2.0, 0.0) == (found.wall, found.least, found.lost)


def test_each_loss_has_its_cause() -> None:
    """Start, retries, skew and waiting of a stage that was made by hand.

    Two slots. It takes 10 s: 1 s passes before the first attempt. One task takes 6 s, two take 1 s;
    a failed attempt takes 2 s. All work that counts is 8 s, so 4 s on two slots; the longest adds 2
    s. The failed attempt takes 1 s of two slots. The rest is 10 - 6 - 1 - 1 = 2 s.
    """
    run = model(
        attempt("map-0", 1, 3, 0, state="failed"),
        attempt("map-0", 3, 9, 0, number=2),
        attempt("map-1", 1, 2, 1),
        attempt("map-2", 2, 3, 1),
        stages=(stage("map", 0, 10, slots=2, first_attempt=1_795_732_876.0),),
    )
    (found,) = losses(run)
    named = (found.even, found.skew, found.start, found.retries, found.waiting)
    assert named == pytest.approx((4, 2, 1, 1, 2))
    assert found.least == pytest.approx(6)
    assert found.worst[0] == "skew"


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(0, 50), st.integers(0, 5), st.booleans()),
        max_size=30,
    ),
    st.floats(0, 60),
    st.integers(0, 8),
)
def test_a_stages_time_is_the_sum_of_its_parts(
    tasks: list[tuple[float, float, int, bool]], wall: float, slots: int
) -> None:
    """Whatever the clocks say, no part is negative, and together they are the wall time."""
    attempts = [
        attempt(f"map-{n}", start, start + took, slot, state="done" if good else "failed")
        for n, (start, took, slot, good) in enumerate(tasks)
    ]
    run = model(*attempts, stages=(stage("map", 0, wall, slots=slots),))
    (found,) = losses(run)
    parts = (found.even, found.skew, found.start, found.retries, found.waiting)
    assert all(part >= 0 for part in parts)
    assert sum(parts) == pytest.approx(found.wall, abs=1e-6)
    assert found.slots >= 1


def test_attempts_of_another_pass_do_not_count() -> None:
    """A stage that is done again has the losses of its own attempts."""
    again = stage("map", 10, 12, again=1)
    run = model(
        attempt("map-0", 0, 5, 0),
        attempt("map-0", 10, 12, 0, number=2),
        stages=(stage("map", 0, 5), again),
    )
    assert [2.0] == [found.even for found in losses(run) if found.stage.again]


@given(st.lists(st.floats(0, 5), min_size=1, max_size=6))
def test_the_phases_of_a_run_cover_its_time(gaps: list[float]) -> None:
    """Start, stages and the rest add up to the seconds from the command to the end."""
    at = 1.0
    stages: list[StageModel] = []
    for gap in gaps:
        stages.append(stage("map", at, at + 1, again=len(stages)))
        at += 1 + gap
    run = replace(model(stages=tuple(stages)), now=stages[-1].ended or 0.0)
    document = RunDocument(plan=run_plan(), model=run)
    assert sum(seconds for _, seconds in phases(document)) == pytest.approx(document.seconds)


def test_the_phases_have_names() -> None:
    """Each stage by its name, and the rest of a run that is done is its commit."""
    assert ["start", "split", "map", "reduce", "commit"] == [
        name for name, _ in phases(small_document())
    ]


def test_a_run_begins_with_its_command() -> None:
    """A report knows when the command was given, before the first event."""
    timings = report().timings.model_copy(update={"end_to_end": 10.0})
    document = small_document(report=report(timings=timings))
    assert document.seconds == pytest.approx(10.0)
    assert dict(phases(document))["start"] == pytest.approx(10.0 - 6.1 + 0.4)
