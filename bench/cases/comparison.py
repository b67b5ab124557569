"""A job of ours against peers that answer the same question: trials, columns, ratios and goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from bench.case import Column, Goal, Row, Rows
from bench.cases.columns import CORES, INPUT, WHOLE, seconds, times
from bench.cases.work import WORK, work_ratio
from bench.contenders import python_peer, shell_peer
from bench.questions import Question
from bench.results import Summary
from bench.trial import OURS, Data, Trial

SPARK = ("java", "module:pyspark")
PEERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "duckdb": ("DuckDB", ("module:duckdb",)),
    "polars": ("Polars", ("module:polars",)),
    "spark-dataframe": ("PySpark DataFrame", SPARK),
    "spark-udf": ("PySpark DataFrame, Python UDF", SPARK),
    "spark-rdd": ("PySpark RDD", SPARK),
}
MODULES = {"spark-udf": "jobs_spark_dataframe"}
ALL = ("duckdb", "polars", "spark-dataframe", "spark-rdd")


def answers(
    case: str,
    names: tuple[str, ...],
    job: str,
    corpus: Data,
    question: Question,
    *options: str,
    variant: str = "",
    more: str = "",
) -> list[Trial]:
    """Return a trial of each peer that answers a question; `more` ends its label."""
    return [
        python_peer(
            case,
            name,
            f"{PEERS[name][0]}{more}",
            MODULES.get(name, f"jobs_{name.replace('-', '_')}"),
            corpus,
            job,
            *options,
            *(("how=udf",) if name == "spark-udf" else ()),
            needs=PEERS[name][1],
            variant=variant,
            question=question,
        )
        for name in names
    ]


def gnu(
    case: str, program: str, label: str, corpus: Data, question: Question, *options: str, cores: int
) -> Trial:
    """Return a trial of GNU sort or grep."""
    script, needs = f"{program}.sh", (program,)
    return shell_peer(
        case, f"gnu-{program}", label, script, corpus, cores, needs, *options, question=question
    )


def warm_spark(rows: Rows, variant: str = "", names: tuple[str, ...] = ALL) -> float | None:
    """Return how many times the work of the faster warm PySpark takes that of ours."""
    found = (work_ratio(rows, name, variant, variant) for name in names if name.startswith("spark"))
    return min((ratio for ratio in found if ratio is not None), default=None)


def at_least(text: str, bound: float, ratio: Callable[[Rows], float | None]) -> Goal:
    """Return a goal for the speed of ours."""
    return Goal(text, "at least", bound, ratio)


def at_most_of(
    peer: str, bound: float, text: str, variant: str = "", peer_variant: str | None = None
) -> Goal:
    """Return a goal: the work of ours takes at most so many times that of a peer."""
    of = variant if peer_variant is None else peer_variant
    faster = partial(work_ratio, contender=peer, variant=variant, peer_variant=of)

    def slower(rows: Rows) -> float | None:
        ratio = faster(rows)
        return 1 / ratio if ratio else None

    return Goal(text, "at most", bound, slower)


def _start(summary: Summary, row: Row, rows: Rows) -> str:
    figures = summary.figures
    value = figures.get("start", figures.get("start_s"))
    return "-" if value is None else seconds(value)


def _first(summary: Summary, row: Row, rows: Rows) -> str:
    return seconds(summary.figures["cold_s"]) if "cold_s" in summary.figures else "-"


def _ratio(summary: Summary, row: Row, rows: Rows) -> str:
    if row.contender == OURS:
        return ""
    return times(work_ratio(rows, row.contender, row.variant, row.variant))


START = Column("start, s", _start)
FIRST = Column("first run, s", _first)
WORK_RATIO = Column("work of ours is faster by", _ratio)
COMPARED = (CORES, INPUT, WHOLE, START, FIRST, WORK, WORK_RATIO)
