"""PySpark answers every case right; each case starts it several times, which takes minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.case import Case
from bench.cases import CASES
from bench.scale import TINY
from bench.trial import Trial
from tests.bench.trials import answered


def _is_spark(trial: Trial) -> bool:
    return trial.contender.startswith("spark")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if any(map(_is_spark, case.trials(TINY)))],
    ids=lambda case: case.name,
)
def test_the_answers_of_spark_are_right(case: Case, tmp_path: Path) -> None:
    """The second run of a query in one session gives the answer of a plain Python loop."""
    assert answered(case, tmp_path, _is_spark).rows
