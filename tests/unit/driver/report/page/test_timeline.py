"""The timeline of a run: rows, bars, busy slots, the last path, recoveries."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from driver.report.model import AttemptModel, Mark, RunModel
from driver.report.page.document import RunDocument
from driver.report.page.timeline import (
    CANVAS_CELLS,
    KINDS,
    LINKS_SHOWN,
    MOST_BARS,
    busy_slots,
    last_path,
    recovered,
    timeline,
)
from tests.unit.driver.report.page.made import (
    BEGAN,
    attempt,
    large_document,
    model,
    small_document,
    stage,
)
from tests.unit.driver.samples import run_plan


def _names(path: list[AttemptModel]) -> list[str]:
    return [f"{each.task}.{each.number}" for each in path]


def _random_run(seed: int) -> RunModel:
    """Return a run in which slots work one task after another, in two stages."""
    chance, at = random.Random(seed), 0.0
    attempts: list[AttemptModel] = []
    for name in ("map", "reduce"):
        ends = []
        for slot in range(chance.randint(1, 4)):
            free = at + chance.random()
            for _ in range(chance.randint(0, 5)):
                took = chance.choice([0.0, chance.random() * 5])
                attempts.append(attempt(f"{name}-{len(attempts)}", free, free + took, slot))
                free += took + chance.choice([0.0, chance.random()])
            ends.append(free)
        at = max([at, *ends])
    return model(*attempts)


def test_each_attempt_has_a_bar_in_its_row() -> None:
    """Bars lie where their attempts began, as wide as those took."""
    drawn = timeline(small_document())
    assert 8 == len(drawn.bars) == drawn.attempts
    bar = next(bar for bar in drawn.bars if bar.title.startswith("map-2"))
    assert bar.x == pytest.approx(2 / 6.1 * 100, abs=0.01)
    assert bar.width == pytest.approx(1 / 6.1 * 100, abs=0.02)
    assert 1 == bar.row
    assert (("done", 7), ("failed", 1)) == drawn.kinds


@given(st.integers(0, 10_000))
def test_busy_slots_are_the_attempts_that_run(seed: int) -> None:
    """Between two changes, the curve has the number of attempts that cover that time."""
    run = _random_run(seed)
    for (at, count), (after, _) in pairwise(busy_slots(run)):
        between = (at + after) / 2
        assert count == sum(each.started < between < (each.ended or 0.0) for each in run.attempts)
    if run.attempts:
        assert 0 == busy_slots(run)[-1][1]


@given(st.integers(0, 10_000))
def test_the_last_path_leads_to_the_end(seed: int) -> None:
    """It ends with the last attempt, and none on it begins before the one before it has ended."""
    run = _random_run(seed)
    path = last_path(run)
    if not run.attempts:
        assert path == []
        return
    assert path[-1].ended == max(each.ended or 0.0 for each in run.attempts)
    for before, after in pairwise(path):
        assert before.ended is not None
        assert before.ended <= after.started
    first = path[0]
    assert not any(
        each.ended is not None and each.ended < first.started and each.slot == first.slot
        for each in run.attempts
        if each.stage == first.stage
    )


def test_the_last_path_goes_through_slots_stages_and_retries() -> None:
    """Each attempt on it waited for the one before: its slot, a failed attempt, a stage."""
    assert ["split-0.1", "map-1.1", "map-1.2", "reduce-1.1"] == _names(
        last_path(small_document().model)
    )


def test_attempts_without_length_do_not_make_an_endless_path() -> None:
    """Two attempts that begin and end at the same moment are on it at most once each."""
    run = model(attempt("map-0", 1, 1, 0), attempt("map-1", 1, 1, 0), attempt("reduce-0", 1, 1, 1))
    path = last_path(run)
    assert len(path) == len(set(_names(path))) <= 3


def test_a_failed_attempt_is_joined_to_the_next_one() -> None:
    """The one that did its work: the next attempt, or the one that had the result first."""
    run = model(
        attempt("map-0", 0, 1, 0, state="failed"),
        attempt("map-0", 2, 5, 0, number=2, state="cancelled"),
        attempt("map-0", 3, 5, 1, number=3, backup=True),
        attempt("map-1", 0, 1, 1, state="failed"),
    )
    found = [
        (f"{before.task}.{before.number}", after and after.number)
        for before, after in recovered(run)
    ]
    assert [("map-0.1", 2), ("map-0.2", 3), ("map-1.1", None)] == found
    document = RunDocument(plan=run_plan(), model=run)
    assert ["failed", "cancelled", "backup", "failed"] == [
        bar.kind for bar in timeline(document).bars
    ]
    assert 2 == len(timeline(document).links)


def test_of_many_recoveries_the_dearest_are_joined() -> None:
    """More lines than that would hide the bars."""
    attempts = [
        each
        for n in range(LINKS_SHOWN + 5)
        for each in (
            attempt(f"map-{n}", 0, 1 + n, n, state="failed"),
            attempt(f"map-{n}", 100, 101, n, number=2),
        )
    ]
    links = timeline(RunDocument(plan=run_plan(), model=model(*attempts))).links
    assert set(range(5, LINKS_SHOWN + 5)) == {link.row1 for link in links}


def test_many_attempts_become_cells() -> None:
    """Beyond a limit there are numbers for a canvas, and no bar."""
    drawn = timeline(large_document(MOST_BARS + 1))
    assert drawn.bars == ()
    assert 0 == len(drawn.cells) % 4
    cells = [drawn.cells[n : n + 4] for n in range(0, len(drawn.cells), 4)]
    assert all(0 <= row < 40 and 0 <= column <= drawn.columns for row, column, _, _ in cells)
    assert {KINDS.index("done"), KINDS.index("failed")} == {kind for *_, kind in cells}
    assert timeline(large_document(MOST_BARS)).cells == ()


def test_cells_are_bounded_by_the_canvas() -> None:
    """However many attempts there are, cells of the same place are drawn once."""
    run = model(*(attempt(f"map-{n}", n / 1000, n / 1000 + 0.001, n % 40) for n in range(60_000)))
    drawn = timeline(RunDocument(plan=run_plan(), model=run))
    assert len(drawn.cells) // 4 <= CANVAS_CELLS + 40


def test_a_row_is_named_by_its_endpoint() -> None:
    """Slots of an endpoint are numbered only where it has several."""
    slots = small_document().model.slots
    slots = (slots[0], replace(slots[1], endpoint="b"), replace(slots[1], endpoint="b", number=1))
    run = replace(model(attempt("map-0", 0, 1)), slots=slots)
    assert ("mapper-0", "b · 1", "b · 2") == timeline(RunDocument(plan=run_plan(), model=run)).rows


def test_what_runs_is_drawn_until_now() -> None:
    """An attempt without an end is as long as it takes so far."""
    run = model(attempt("map-0", 0, None, 0), state="running", now=BEGAN + 10, ended=None)
    (bar,) = timeline(RunDocument(plan=run_plan(), model=run)).bars
    assert (0, 100, "running") == (bar.x, bar.width, bar.kind)


def test_marks_and_stages_have_places() -> None:
    """An event beside the tasks lies at its time, and a stage's band covers its time."""
    run = replace(
        model(attempt("map-0", 0, 10), stages=(stage("map", 0, 5), stage("map", 5, 10, again=1))),
        marks=(Mark(at=BEGAN + 5, kind="CircuitOpened", text="x"),),
    )
    drawn = timeline(RunDocument(plan=run_plan(), model=run))
    assert [50] == [place for place, _ in drawn.marks]
    assert [("map", 0, 50), ("map again", 50, 50)] == [
        (band.name, band.x, band.width) for band in drawn.bands
    ]


def test_a_run_without_attempts_is_drawn() -> None:
    """A run that ended before its first task has an empty timeline."""
    drawn = timeline(RunDocument(plan=run_plan(), model=model()))
    assert (0, (), ()) == (drawn.attempts, drawn.bars, drawn.path)
    assert drawn.height > 0
