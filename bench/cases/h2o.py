"""H2O.ai's group-by questions: ten jobs of `map_sql` and aggregations against SQL and Polars."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.case import Case, Column, Goal, Row, Rows
from bench.cases.columns import INPUT, MAP, PROCESSOR, REDUCE, WHOLE, times
from bench.cases.words import SPARK
from bench.cases.work import WORK, work_ratio
from bench.contenders import ours, python_peer, report_figures
from bench.corpus import Corpus
from bench.peers.h2o_questions import SQL
from bench.results import Summary
from bench.scale import Scale
from bench.tables import our_rows, peer_rows, table_digest
from bench.trial import OURS, Judged, Place, Trial

CASE = "h2o"
PEERS = {"duckdb": "DuckDB", "polars": "Polars", "spark": "PySpark DataFrame, warm"}


@dataclass(frozen=True, slots=True)
class Question:
    """A question.

    Attributes:
        number: H2O.ai's.
        keys: how many fields the key has.
        floats: which columns of the answer are floats.
        values: makes the rest of each row of the answer from the value of a key of ours.
    """

    number: int
    keys: int
    floats: frozenset[int]
    values: Callable[[Any], Iterable[tuple[Any, ...]]]

    def rows(self, key: Any, value: Any) -> Iterable[tuple[Any, ...]]:
        """Return the rows of the answer of a key and its value in our result."""
        fields = tuple(key) if self.keys > 1 else (key,)
        return [(*fields, *rest) for rest in self.values(value)]

    @property
    def variant(self) -> str:
        """The variant of its trials."""
        return f"q{self.number}"


def _one(value: Any) -> Iterable[tuple[Any, ...]]:
    return [(value,)]


def _fields(value: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    return [tuple(value.values())]


QUESTIONS = (
    Question(1, 1, frozenset(), _one),
    Question(2, 2, frozenset(), _one),
    Question(3, 1, frozenset({2}), _fields),
    Question(4, 1, frozenset({1, 2, 3}), _fields),
    Question(5, 1, frozenset({3}), _fields),
    Question(6, 2, frozenset({2, 3}), _fields),
    Question(7, 1, frozenset(), lambda value: [(value["v1"] - value["v2"],)]),
    Question(8, 1, frozenset({1}), lambda value: [(each,) for each in value]),
    Question(9, 2, frozenset({2}), lambda value: [(None if value is None else value**2,)]),
    Question(10, 6, frozenset({6}), _fields),
)


def right_answer(question: Question, path: Path) -> str:
    """Return the digest of DuckDB's answer, which is kept beside the corpus."""
    kept = path.with_suffix(f".{question.variant}.answer")
    if not kept.exists():
        from bench.peers import duckdb_h2o  # late: a peer's package

        table = path.with_suffix(f".{question.variant}.csv")
        duckdb_h2o.main(str(path), str(table), str(question.number))
        kept.write_text(table_digest(peer_rows(table, question.floats)))
        table.unlink()
    return kept.read_text()


def _judge_peer(question: Question, place: Place, stdout: str) -> Judged:
    (said,) = (line for line in stdout.splitlines() if line.startswith("{"))
    found = table_digest(peer_rows(place.answer, question.floats))
    return Judged(json.loads(said), _wrong(question, place, found))


def _judge_ours(question: Question, place: Place, stdout: str) -> Judged:
    report = json.loads(stdout)
    found = table_digest(our_rows(report["result_urls"], question.rows))
    return Judged(report_figures(report), _wrong(question, place, found))


def _wrong(question: Question, place: Place, found: str) -> str:
    right = right_answer(question, place.corpus)
    return "" if found == right else f"the digest is {found[:12]}, and DuckDB's {right[:12]}"


def _trials(scale: Scale) -> list[Trial]:
    return [trial for question in QUESTIONS for trial in trials_of(question, scale.h2o_rows())]


def trials_of(question: Question, corpus: Corpus) -> list[Trial]:
    """Return the trials of one question: ours, and each peer."""
    number, variant = str(question.number), question.variant
    job = ("--job", f"bench/jobs/h2o.py:Question{number}")
    of_ours = ours(CASE, corpus, *job, variant=variant, label=f"**ours**, question {number}")
    needs = {"duckdb": ("module:duckdb",), "polars": ("module:polars",), "spark": SPARK}
    modules = {"spark": "spark_dataframe_h2o"}
    trials = [replace(of_ours, judge=partial(_judge_ours, question))]
    for name, label in PEERS.items():
        module = modules.get(name, f"{name}_h2o")
        peer = python_peer(CASE, name, label, module, corpus, number, needs=needs[name])
        judge = partial(_judge_peer, question)
        trials.append(
            replace(
                peer, variant=variant, label=f"{label}, question {number}", judge=judge,
                most_repeats=1 if name == "spark" else peer.most_repeats,
            )
        )  # fmt: skip
    return trials


def _against(peer: str) -> Column:
    def text(summary: Summary, row: Row, rows: Rows) -> str:
        return (
            times(work_ratio(rows, peer, row.variant, row.variant)) if row.contender == OURS else ""
        )

    return Column(f"faster than {PEERS[peer]} by", text)


def ratios(rows: Rows, peer: str) -> list[float]:
    """Return how many times faster ours is, for each question that both answered."""
    found = (work_ratio(rows, peer, each.variant, each.variant) for each in QUESTIONS)
    return [ratio for ratio in found if ratio is not None]


def _mean(rows: Rows, peer: str) -> float | None:
    found = ratios(rows, peer)
    return math.exp(sum(map(math.log, found)) / len(found)) if found else None


def _worst(rows: Rows, peer: str) -> float | None:
    return min(ratios(rows, peer), default=None)


H2O = Case(
    name=CASE,
    title="H2O.ai's group-by questions",
    about="Rows of six keys and three numbers as H2O.ai's generator makes them, "
    f"{len(SQL)} questions. "
    "Each contender reads the CSV file, groups and writes in one command; ours by `map_sql` and "
    "aggregations, one job a question. Question 7 (a range) and question 9 (R2) are the difference "
    "of two aggregations and the square of one, which the reader of the result computes.",
    trials=_trials,
    columns=(INPUT, WHOLE, MAP, REDUCE, WORK, *map(_against, PEERS), PROCESSOR),
    goals=(
        Goal(
            "geometric mean over the questions, times as fast as warm PySpark",
            "at least",
            2,
            partial(_mean, peer="spark"),
        ),
        Goal(
            "the slowest question, times as fast as warm PySpark",
            "at least",
            0.8,
            partial(_worst, peer="spark"),
        ),
    ),
    against_warm_spark=lambda rows: {
        f"{CASE} {each.variant}": work_ratio(rows, "spark", each.variant, each.variant)
        for each in QUESTIONS
    },
)
