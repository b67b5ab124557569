"""Eight ready-made jobs, as a user runs them, against peers that answer the same question."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

from bench.case import Case, Goal, Rows, divided, found
from bench.cases.comparison import (
    ALL,
    COMPARED,
    answers,
    at_least,
    at_most_of,
    gnu,
    warm_spark,
)
from bench.cases.work import BEGINNINGS_S, work_s
from bench.contenders import ours
from bench.generated import Table
from bench.questions import (
    Question,
    clusters,
    distinct_lines,
    joined,
    matching,
    ranks,
    sorted_lines,
    top_words,
    word_count,
)
from bench.scale import Scale
from bench.trial import CORES, OURS, Data, Trial

PATTERN = "[bd]ai.*zu"
TOP = 20
ITERATIONS = 5
POINTS_ITERATIONS = 3
CENTRES = tuple(
    (10.0 + 100 * (n & 1), 10.0 + 100 * (n >> 1 & 1), 10.0 + 100 * (n >> 2)) for n in range(8)
)
JOIN_INPUTS = {"left": "orders.csv", "right": "customers.csv"}


def _text_job(
    case: str, job: str, question: Question, given: tuple[str, ...], scale: Scale
) -> list[Trial]:
    text = scale.text(scale.job_bytes)
    params = [word for each in given for word in ("--param", each)]
    return [
        ours(case, text, "--job", job, *params, question=question),
        *answers(case, ALL, job, text, question, *given),
    ]


def _grep(scale: Scale) -> list[Trial]:
    question, text = matching(PATTERN), scale.text(scale.job_bytes)
    trials = _text_job("job-grep", "grep", question, (f"pattern={PATTERN}",), scale)
    return [*trials, gnu("job-grep", "grep", "GNU grep", text, question, PATTERN, cores=1)]


def _line_job(case: str, job: str, question: Question, scale: Scale, *options: str) -> list[Trial]:
    lines = Table("lines", scale.job_lines, scale.job_lines // 2)
    return [
        ours(case, lines, "--job", job, "--reducers", str(CORES), question=question),
        *answers(case, ALL, job, lines, question),
        gnu(case, "sort", "GNU sort", lines, question, *options, cores=CORES),
    ]


def join_trials(case: str, which: int, scale: Scale) -> list[Trial]:
    """Return the trials of the small (0) or the large (1) join."""
    table, question = Table("join", *scale.joins[which]), joined()
    options = ("--job", "join", "--param", "on=customer", "--reducers", str(CORES))
    return [
        ours(case, table, *options, inputs=JOIN_INPUTS, question=question),
        *answers(case, ALL if which == 0 else ALL[:3], "join", table, question),
    ]


def _iterated(iterations: int) -> tuple[str, ...]:
    return ("--param", f"max_iterations={iterations}", "--param", "tolerance=-1")


def _page_rank(scale: Scale) -> list[Trial]:
    case, links = "job-page-rank", Table("links", scale.edges, scale.edges // 10)
    options = ("--job", "page_rank", "--reducers", str(CORES))
    peers = ("duckdb", "spark-dataframe", "spark-rdd")
    return [
        trial
        for iterations, variant in ((ITERATIONS, ""), (1, "one"))
        for trial in (
            ours(
                case,
                links,
                *options,
                *_iterated(iterations),
                variant=variant,
                label=f"**ours**, {iterations} iterations" if not variant else "**ours**, one",
                question=ranks(iterations),
            ),
            *answers(
                case,
                peers,
                "page_rank",
                links,
                ranks(iterations),
                f"iterations={iterations}",
                variant=variant,
                more=", one" if variant else "",
            ),
        )
    ]


def _k_means(scale: Scale) -> list[Trial]:
    case, points = "job-k-means", Table("points", scale.points)
    centres, question = json.dumps(CENTRES), clusters(CENTRES, POINTS_ITERATIONS)
    given = ("--param", f"centres={centres}", *_iterated(POINTS_ITERATIONS))
    options = (f"centres={centres}", f"iterations={POINTS_ITERATIONS}")
    return [
        ours(case, points, "--job", "k_means", *given, question=question),
        *answers(case, ALL, "k_means", points, question, *options),
    ]


def iteration_s(rows: Rows, contender: str) -> float | None:
    """Return the work of one iteration: what more of them take, less the beginnings of its stages.

    Both runs have had that once; the difference of their work has it for each further iteration.
    """
    all_of_them, one = found(rows, contender), found(rows, contender, "one")
    if not all_of_them or not one:
        return None
    each = (work_s(all_of_them) - work_s(one)) / (ITERATIONS - 1)
    return max(each - (BEGINNINGS_S if contender == OURS else 0.0), 1e-3)


def _iteration(rows: Rows, peer: str, *, inverse: bool) -> float | None:
    one, other = iteration_s(rows, "ours"), iteration_s(rows, peer)
    return divided(other, one) if inverse else divided(one, other)


def _case(
    name: str,
    title: str,
    about: str,
    trials: Callable[[Scale], list[Trial]],
    *goals: Goal,
) -> Case:
    return Case(
        name=name,
        title=title,
        about=about,
        trials=trials,
        columns=COMPARED,
        goals=(at_least("work, of the faster warm PySpark", 0.8, warm_spark), *goals),
        against_warm_spark=lambda rows: {title: warm_spark(rows)},
    )


def _corpus(scale: Scale) -> Data:
    return scale.text(scale.job_bytes)


JOBS = (
    _case(
        "job-word-count",
        "Job: word count",
        "`--job word_count`.",
        partial(_text_job, "job-word-count", "word_count", word_count(), ()),
    ),
    _case(
        "job-grep",
        "Job: grep",
        f"`--job grep`, the lines that match `{PATTERN}`. Ours numbers them by file, GNU grep is "
        "not asked to, and the others cannot.",
        _grep,
    ),
    _case(
        "job-sort",
        "Job: sort",
        "`--job sort` of lines of 50 bytes, to as many parts as there are cores.",
        partial(_line_job, "job-sort", "sort", sorted_lines()),
    ),
    _case(
        "job-distinct",
        "Job: distinct",
        "`--job distinct`; every second line is a new one.",
        lambda scale: _line_job("job-distinct", "distinct", distinct_lines(), scale, "-u"),
    ),
    _case(
        "job-top-k",
        "Job: top-k",
        f"`--job top_k`, the {TOP} most frequent words: a chain of two jobs.",
        partial(_text_job, "job-top-k", "top_k", top_words(TOP), (f"k={TOP}",)),
    ),
    _case(
        "job-join",
        "Job: join",
        "`--job join` of two CSV files: orders, and a few customers.",
        partial(join_trials, "job-join", 0),
    ),
    _case(
        "job-page-rank",
        "Job: PageRank",
        f"`--job page_rank`, {ITERATIONS} iterations and one. An iteration is the difference of "
        f"both, divided by {ITERATIONS - 1}; ours less 0.3 s, as it has stages of its own.",
        _page_rank,
        Goal(
            "an iteration, in times of DuckDB's",
            "at most",
            5,
            lambda rows: _iteration(rows, "duckdb", inverse=False),
        ),
        at_least(
            "an iteration, in speed of PySpark's RDD",
            3,
            lambda rows: _iteration(rows, "spark-rdd", inverse=True),
        ),
    ),
    _case(
        "job-k-means",
        "Job: k-means",
        f"`--job k_means` of points in three dimensions, {len(CENTRES)} centres, "
        f"{POINTS_ITERATIONS} iterations.",
        _k_means,
    ),
)

JOIN = Case(
    name="join",
    title="A large join",
    about="The same join of larger tables, of which neither is small.",
    trials=partial(join_trials, "join", 1),
    columns=COMPARED,
    goals=(
        at_least("work, of the faster warm PySpark", 1, warm_spark),
        at_most_of("duckdb", 4, "work, in times of DuckDB's"),
    ),
)
