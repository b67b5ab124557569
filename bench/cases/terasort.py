"""TeraSort: records of 100 bytes, sorted by their first ten."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from bench.case import Case, Goal, Rows, found
from bench.cases.columns import AGAINST_PEERS, MAP, REDUCE
from bench.cases.words import SPARK
from bench.cases.work import WORK, work_ratio, work_s
from bench.contenders import ours, python_peer, report_figures, shell_peer
from bench.corpus import Corpus
from bench.scale import Scale
from bench.sorted_records import our_records, peer_records, sums_of, wrong_order
from bench.trial import CORES, Judged, Place, Trial

CASE = "terasort"


def _judge_ours(place: Place, stdout: str) -> Judged:
    report = json.loads(stdout)
    wrong = wrong_order(our_records(report["result_urls"]), sums_of(place.corpus))
    return Judged(report_figures(report), wrong)


def _judge_peer(place: Place, stdout: str) -> Judged:
    said = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    wrong = wrong_order(peer_records(place.answer), sums_of(place.corpus))
    return Judged(said[0] if said else {}, wrong)


def _trials(scale: Scale) -> list[Trial]:
    return trials_of(scale.sort_records())


def trials_of(records: Corpus) -> list[Trial]:
    """Return the trials over some records."""
    job = ("--job", "bench/jobs/terasort.py", "--reducers", str(CORES))
    judged = partial(_with_judge, judge=_judge_peer)
    return [
        _with_judge(ours(CASE, records, *job, label="**ours**, `FixedLength(100)`"), _judge_ours),
        judged(shell_peer(CASE, "sort", "GNU sort", "gnu_sort.sh", records, CORES, ("sort",))),
        judged(
            python_peer(CASE, "duckdb", "DuckDB", "duckdb_sort", records, needs=("module:duckdb",))
        ),
        judged(
            python_peer(
                CASE,
                "spark",
                "PySpark DataFrame, warm",
                "spark_dataframe_sort",
                records,
                needs=SPARK,
            )
        ),
    ]


def _with_judge(trial: Trial, judge: Callable[[Place, str], Judged]) -> Trial:
    return replace(trial, judge=judge, most_repeats=1)


def _megabytes_a_core(rows: Rows) -> float | None:
    ours_found = found(rows)
    return ours_found.size_bytes / 1e6 / work_s(ours_found) / CORES if ours_found else None


TERASORT = Case(
    name=CASE,
    title="TeraSort",
    about="Records of 100 bytes in the printable form of `gensort -a`: ten random characters, "
    "which are the key, the record's number, filler, and a line end. So the same bytes are records "
    "of a fixed length for ours and lines for the others: GNU sort, DuckDB and Spark sort whole "
    "lines. Ours writes parts of JSON Lines in key order, with bytes in base64. Each answer is "
    "checked as `valsort` does, by the order of the keys and the sum of the records' checksums.",
    trials=_trials,
    columns=(*AGAINST_PEERS[:4], MAP, REDUCE, WORK, *AGAINST_PEERS[4:]),
    goals=(
        Goal("MB/s of the work, a core", "at least", 40, _megabytes_a_core, unit=" MB/s"),
        Goal(
            "speed of the work, of GNU sort",
            "at least",
            0.5,
            partial(work_ratio, contender="sort"),
        ),
        Goal(
            "speed of the work, of warm PySpark",
            "at least",
            1,
            partial(work_ratio, contender="spark"),
        ),
    ),
)
