"""Ours, DuckDB, Polars, GNU and the C programs answer every case right; Spark has its own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.case import Case
from bench.cases import CASES
from bench.cases.h2o import H2O
from bench.cases.pairs import SHUFFLE
from bench.cases.profiles import BEFORE
from bench.cases.terasort import TERASORT
from bench.cases.whole_runs import INCREMENTAL
from bench.goals import Section, verdicts
from bench.scale import TINY
from bench.trial import OURS, Trial
from tests.bench.trials import answered

ELSEWHERE = (H2O, TERASORT, SHUFFLE)
"""Those that tests/integration/test_bench_tables.py runs."""
ELSEWHERE_TOO = ("spark", "dask", "mrjob", BEFORE)
"""Slow to start, or of an earlier commit, which a clone may not have."""


def _is_quick(trial: Trial) -> bool:
    return not trial.contender.startswith(ELSEWHERE_TOO)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case not in ELSEWHERE], ids=lambda case: case.name
)
def test_every_answer_is_right(case: Case, tmp_path: Path) -> None:
    """Each contender gives the answer of a plain Python loop; goals among these have a ratio."""
    section = answered(case, tmp_path, _is_quick)
    assert section.rows
    alone = {trial.contender for trial in case.trials(TINY)} == {OURS}
    if alone:
        assert "not measured" not in {each.outcome for each in verdicts([section])}
    if case is INCREMENTAL:
        _only_the_new_file_was_read(section)


def _only_the_new_file_was_read(section: Section) -> None:
    """A file more is one map task; this is a count, which does not depend on the machine."""
    assert ["met"] == [each.outcome for each in verdicts([section])]
