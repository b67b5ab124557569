"""The page of results shows every measurement and every failure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bench.case import Rows
from bench.cases import CASES
from bench.cases.growth import amdahl
from bench.cases.words import WORD_COUNT
from bench.goals import Section, goal_lines, verdicts
from bench.page import Circumstances, drawn, page, rows_of, wrong_or_failed
from bench.results import Record
from bench.scale import DEFAULT, FULL, QUICK, TINY, Scale
from tests.unit.bench.records import CODE, record, trial

CIRCUMSTANCES = Circumstances(
    "default",
    3,
    "2026-01-01",
    "2026-01-02",
    "books",
    "make bench",
    {"processor": "a"},
    {"ours": "b"},
)
PEERS = ("ours", "c", "spark-dataframe", "mrjob-local", "mrjob-inline")


def rows(records: Sequence[Record]) -> Rows:
    """Return the rows of some contenders."""
    return rows_of([trial(name) for name in PEERS], records, CODE)


def text(records: Sequence[Record]) -> str:
    """Return the page of one case."""
    return page([Section(WORD_COUNT, rows(records))], CIRCUMSTANCES, "benchmarks")


def line_of(name: str, records: Sequence[Record]) -> list[str]:
    """Return the cells of a contender's line in the case's table."""
    table = text(records).split("## Word count")[1]
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_ratios_are_of_throughput() -> None:
    """A peer with a hundredth of the input in the same time counts as a hundred times slower."""
    measured = [
        record("ours", 2.0),
        record("mrjob-local", 2.0, size_bytes=10),
        record("mrjob-inline", 2.0, size_bytes=5),
        record("c", 1.0),
        record("spark-dataframe", 30.0),
    ]
    assert [("15.0x", "met"), ("100x", "met"), ("0.50x", "**not met**")] == [
        (ratio, verdict) for *_, ratio, verdict in goal_lines([Section(WORD_COUNT, rows(measured))])
    ]
    assert "100x" == line_of("mrjob-local", measured)[5]


def test_a_start_is_counted_and_shown_apart() -> None:
    """A contender that reports its time without the start-up gets both times."""
    measured = [record("ours", 4.0, inner_s=2.0), record("spark-dataframe", 20.0, inner_s=16.0)]
    cells = line_of("spark-dataframe", measured)
    assert ["20.0", "5.00x", "16.0", "8.00x"] == [cells[3], cells[5], cells[6], cells[7]]


def test_a_peer_that_is_missing_is_named_with_the_reason() -> None:
    """A missing peer is listed with the reason, and its goal is not measured."""
    gone = record("spark-dataframe", status="missing", why="java is not installed", size_bytes=0)
    measured = [record("ours"), gone]
    assert "not installed" == line_of("spark-dataframe", measured)[1]
    assert "- spark-dataframe: java is not installed" in text(measured)
    assert (
        "| Word count | faster than PySpark's DataFrame: at least 10x | - | not measured |"
        in text(measured)
    )
    assert [] == wrong_or_failed([Section(WORD_COUNT, rows(measured))])


def test_a_wrong_answer_is_loud_and_counts_for_nothing() -> None:
    """A wrong answer heads the page, has no figures, meets no goal, and fails the command."""
    measured = [record("ours", 0.001, status="wrong", why="its digest differs"), record("c", 1.0)]
    assert "**Not all answers are right:**" in text(measured).split("## Goals")[0]
    assert ["**WRONG ANSWER**", ""] == line_of("ours", measured)[1:3]
    assert ["not measured"] * 3 == [
        verdict for *_, verdict in goal_lines([Section(WORD_COUNT, rows(measured))])
    ]
    assert ["word-count: ours: wrong: its digest differs"] == wrong_or_failed(
        [Section(WORD_COUNT, rows(measured))]
    )


def test_another_codes_figures_are_not_shown() -> None:
    """A measurement of other code is not shown."""
    assert "not measured" == line_of("ours", [record("ours", code="before")])[1]


def test_a_plot_of_one_point_is_not_drawn() -> None:
    """A plot of one point is neither drawn nor linked."""
    assert () == drawn(Section(WORD_COUNT, rows([record("ours")])))
    assert "![" not in text([record("ours")])
    assert "![Word count](benchmarks/word-count.svg)" in text([record("ours"), record("c")])


@pytest.mark.parametrize("scale", [TINY, QUICK, DEFAULT, FULL], ids=lambda scale: scale.name)
def test_every_case_can_be_shown_before_anything_is_measured(scale: Scale) -> None:
    """Every case can be shown without any measurement."""
    sections = [Section(case, rows_of(case.trials(scale), [], CODE)) for case in CASES]
    shown = page(sections, replace(CIRCUMSTANCES, scale=scale.name), "benchmarks")
    assert all(f"## {case.title}" in shown for case in CASES)
    assert {"not measured"} == {verdict for *_, verdict in goal_lines(sections)}


def test_the_jobs_count_for_the_mean() -> None:
    """The eight jobs and H2O.ai's ten questions are compared with a warm PySpark."""
    found = [verdict.goal for verdict in verdicts([Section(case, {}) for case in CASES])]
    assert any("0 of 18 jobs" in goal for goal in found)


def test_trials_have_unique_names() -> None:
    """Each trial of a case has a unique name, under which its results are stored."""
    for case in CASES:
        trials = case.trials(DEFAULT)
        assert {case.name} == {trial.case for trial in trials}
        assert len(trials) == len({(trial.contender, trial.variant) for trial in trials})


def test_amdahls_bound() -> None:
    """Amdahl's bound counts the parallel half only on as many cores as there are."""
    assert 1.0 == amdahl(5, 5, 1, 8)
    assert 10 / 7.5 == amdahl(5, 5, 2, 8)
    assert 10 / 7.5 == amdahl(5, 5, 10, 2)
