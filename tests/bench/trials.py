"""Run the trials of a case once, at the tiny size."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.__main__ import PEERS
from bench.case import Case
from bench.goals import Section
from bench.page import rows_of
from bench.results import Results
from bench.runner import Runner
from bench.scale import TINY
from bench.trial import Trial


def answered(case: Case, folder: Path, is_wanted: Callable[[Trial], bool]) -> Section:
    """Run the wanted trials, whose answers must be right, and return what they measured.

    Without the environment of the peers, this Python runs those that it can.
    """
    peers = PEERS if PEERS.exists() else Path(sys.executable)
    runner = Runner(peers, folder, Results(folder / "results.jsonl"), "code", print)
    trials = [trial for trial in case.trials(TINY) if is_wanted(trial)]
    runner.run_trials(trials, 1)
    records = runner.results.records
    bad = [
        f"{each.contender} {each.variant}: {each.status}: {each.why}"
        for each in records
        if each.status not in ("ok", "missing")
    ]
    assert not bad
    missing = sorted({each.why for each in records if each.status == "missing"})
    if missing:
        pytest.skip("; ".join(missing))
    assert len(trials) == len(records)
    return Section(case, rows_of(trials, records, "code"))
