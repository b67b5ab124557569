"""The benchmark's cases over tables and records, at a tiny size: every answer is right.

Nothing is timed. The peers are those that the Python of the tests has; the others are tried where
the environment of the benchmark exists.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.__main__ import PEERS
from bench.cases.h2o import QUESTIONS, Question, right_answer, trials_of
from bench.cases.pairs import SHUFFLE
from bench.cases.terasort import trials_of as sort_trials
from bench.corpus import Corpus
from bench.results import Results
from bench.runner import Runner
from bench.scale import QUICK
from bench.sorted_records import sums_of, wrong_order
from bench.tables import table_digest
from bench.trial import OURS, Trial

H2O_ROWS = Corpus("h2o", 3000, 10)
RECORDS = Corpus("records", 3000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a benchmark's results."""
    return tmp_path / "bench"


def answered(trials: list[Trial], folder: Path, needed: set[str]) -> None:
    """Run trials, and check that the needed ones are right, and the others right or missing."""
    folder.mkdir(exist_ok=True)
    peers = PEERS if PEERS.exists() else Path(sys.executable)
    results = Results(folder / "results.jsonl")
    Runner(peers, folder, results, "code", lambda _: None).run_trials(trials, 1)
    assert {trial.contender for trial in trials} == {each.contender for each in results.records}
    for record in results.records:
        allowed = {"ok"} if record.contender in needed else {"ok", "missing"}
        assert record.status in allowed, f"{record.contender}: {record.why}"


def groups(
    question: Question, path: Path
) -> Iterator[tuple[tuple[Any, ...], list[dict[str, Any]]]]:
    """Yield the groups of a question, by a plain loop."""
    names = {
        1: ["id1"], 2: ["id1", "id2"], 3: ["id3"], 4: ["id4"], 5: ["id6"], 6: ["id4", "id5"],
        7: ["id3"], 8: ["id6"], 9: ["id2", "id4"], 10: [f"id{number}" for number in range(1, 7)],
    }[question.number]  # fmt: skip
    header, *lines = path.read_text(encoding="ascii").splitlines()
    found: defaultdict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        row: dict[str, Any] = dict(zip(header.split(","), line.split(","), strict=True))
        row |= {name: int(row[name]) for name in ("id4", "id5", "id6", "v1", "v2")}
        row["v3"] = float(row["v3"])
        found[tuple(row[name] for name in names)].append(row)
    yield from found.items()


def r2(rows: list[dict[str, Any]]) -> float | None:
    """Return the square of the correlation of v1 and v2."""
    try:
        return statistics.correlation([r["v1"] for r in rows], [r["v2"] for r in rows]) ** 2
    except statistics.StatisticsError:
        return None


def plain_rows(question: Question, path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the answer to a question, by its words and Python's `statistics`."""
    for key, rows in groups(question, path):
        v1, v2, v3 = ([row[name] for row in rows] for name in ("v1", "v2", "v3"))
        match question.number:
            case 1 | 2:
                yield (*key, sum(v1))
            case 3:
                yield (*key, sum(v1), statistics.fmean(v3))
            case 4:
                yield (*key, statistics.fmean(v1), statistics.fmean(v2), statistics.fmean(v3))
            case 5:
                yield (*key, sum(v1), sum(v2), sum(v3))
            case 6:
                deviation = statistics.stdev(v3) if len(v3) > 1 else None
                yield (*key, statistics.median(v3), deviation)
            case 7:
                yield (*key, max(v1) - min(v2))
            case 8:
                yield from ((*key, each) for each in sorted(v3)[-2:])
            case 9:
                yield (*key, r2(rows))
            case 10:
                yield (*key, sum(v3), len(rows))


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.variant)
def test_a_question_of_h2o_has_the_answer_of_a_plain_loop(question: Question, folder: Path) -> None:
    """The answer that all contenders are held against is that of Python's `statistics`."""
    path = H2O_ROWS.made_in(folder)
    assert table_digest(plain_rows(question, path)) == right_answer(question, path)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.variant)
def test_a_question_of_h2o(question: Question, folder: Path) -> None:
    """Ours and DuckDB answer each question, and Polars where it is."""
    trials = [trial for trial in trials_of(question, H2O_ROWS) if trial.contender != "spark"]
    answered(trials, folder, {OURS, "duckdb"})


def test_terasort(folder: Path) -> None:
    """Ours, GNU sort and DuckDB sort the records."""
    trials = [trial for trial in sort_trials(RECORDS) if trial.contender != "spark"]
    answered(trials, folder, {OURS, "duckdb", "sort"} if shutil.which("sort") else {OURS, "duckdb"})


def test_the_shuffle_case(folder: Path) -> None:
    """Ours, in each of its forms, and DuckDB have the sums of a plain loop."""
    scale = replace(QUICK, pairs=5000, keys=1000)
    answered(SHUFFLE.trials(scale), folder, {OURS, "duckdb"})


def test_sorted_records_are_checked(tmp_path: Path) -> None:
    """A record too few, a changed one, and two out of order are seen."""
    path = RECORDS.made_in(tmp_path)
    data = path.read_bytes()
    records = sorted(data[at : at + 100] for at in range(0, len(data), 100))
    right = sums_of(path)
    assert "" == wrong_order(records, right)
    assert "2999 records" in wrong_order(records[1:], right)
    assert "not those of the input" in wrong_order([records[0], *records[:-1]], right)
    assert "record 1 has a smaller key" in wrong_order([records[1], records[0]], right)
