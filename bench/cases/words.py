"""Word counts: the built-in job against other tools, and plain Python against plain Python."""

from __future__ import annotations

from bench.case import Case, Goal, Rows
from bench.cases.columns import AGAINST_PEERS, throughput_bars, whole_ratio
from bench.contenders import kernel, ours, python_peer, shell_peer
from bench.scale import Scale
from bench.trial import CORES, Trial

SPARK = ("java", "module:pyspark")
FINDALL_SUM = "bench/jobs/findall_sum.py"
FINDALL_REDUCE = "bench/jobs/findall_reduce.py"


def _mrjob(case: str, scale: Scale) -> list[Trial]:
    """Return trials of both of its runners: which one is faster depends on the machine."""
    text, needs = scale.text(scale.slice_bytes), ("module:mrjob.job",)
    return [
        python_peer(
            case, "mrjob-local", "mrjob, `-r local`", "mrjob_words", text, "local", needs=needs
        ),
        python_peer(
            case,
            "mrjob-inline",
            "mrjob, `-r inline`",
            "mrjob_words",
            text,
            "inline",
            cores=1,
            needs=needs,
        ),
    ]


def against_mrjob(rows: Rows) -> float | None:
    """Return how much faster ours is than the faster of mrjob's runners."""
    ratios = (whole_ratio(rows, name) for name in ("mrjob-local", "mrjob-inline"))
    return min((ratio for ratio in ratios if ratio is not None), default=None)


def _word_count(scale: Scale) -> list[Trial]:
    case, text = "word-count", scale.text(scale.text_bytes)
    return [
        ours(case, text, label="**ours**, built-in word count"),
        kernel(case, "c", "C hash kernel", text, CORES),
        kernel(case, "c-one-core", "C hash kernel", text, 1),
        python_peer(case, "duckdb", "DuckDB", "duckdb_words", text, needs=("module:duckdb",)),
        python_peer(
            case, "polars", "Polars, streaming", "polars_words", text, needs=("module:polars",)
        ),
        python_peer(
            case, "spark-dataframe", "PySpark DataFrame", "spark_dataframe_words", text, needs=SPARK
        ),
        python_peer(case, "dask", "Dask bag", "dask_words", text, needs=("module:dask.bag",)),
        python_peer(
            case, "counter", "`translate`, `split`, `Counter`", "counter", text, cores=1,
            needs=("module:collections",),
        ),
        shell_peer(case, "mawk", "mawk", "mawk_words.sh", text, 1, ("mawk",)),
        shell_peer(
            case, "coreutils", "`tr`, `sort`, `uniq -c`", "coreutils_words.sh",
            scale.text(scale.sort_bytes), CORES, ("tr", "sort", "uniq", "awk"),
        ),
        *_mrjob(case, scale),
    ]  # fmt: skip


WORD_COUNT = Case(
    name="word-count",
    title="Word count",
    about="The built-in job, from the command `python -m driver run` to the result. A word is "
    "`[a-z']+`, lower-cased. Slow contenders get a shorter text of the same kind; throughputs are "
    "compared.",
    trials=_word_count,
    columns=AGAINST_PEERS,
    goals=(
        Goal(
            "faster than PySpark's DataFrame",
            "at least",
            10,
            lambda rows: whole_ratio(rows, "spark-dataframe"),
        ),
        Goal("faster than the faster of mrjob's runners", "at least", 100, against_mrjob),
        Goal(
            "of the C kernel's speed on all cores",
            "at least",
            2 / 3,
            lambda rows: whole_ratio(rows, "c"),
        ),
    ),
    plots=throughput_bars("word-count", "Word count"),
)


def _python_map_sum(scale: Scale) -> list[Trial]:
    case, text = "python-map-sum", scale.text(scale.python_bytes)
    return [
        ours(case, text, "--job", FINDALL_SUM, label="**ours**, `map` and `reduce = Sum()`"),
        python_peer(
            case,
            "spark-rdd",
            "PySpark RDD, `reduceByKey`",
            "spark_rdd_words",
            text,
            "sum",
            needs=SPARK,
        ),
        *_mrjob(case, scale),
    ]


PYTHON_MAP_SUM = Case(
    name="python-map-sum",
    title="A plain Python map, and a sum",
    about="The same `re.findall` in each; nothing is vectorised.",
    trials=_python_map_sum,
    columns=AGAINST_PEERS,
    goals=(
        Goal(
            "faster than PySpark's RDD", "at least", 3, lambda rows: whole_ratio(rows, "spark-rdd")
        ),
        Goal("faster than the faster of mrjob's runners", "at least", 15, against_mrjob),
    ),
    plots=throughput_bars("python-map-sum", "A plain Python map, and a sum"),
)


def _python_reduce(scale: Scale) -> list[Trial]:
    case, text = "python-reduce", scale.text(scale.python_bytes)
    return [
        ours(case, text, "--job", FINDALL_REDUCE, label="**ours**, `map` and `def reduce`"),
        ours(
            case, text, "--job", FINDALL_REDUCE, "--reducers", str(CORES), variant="reducers",
            label="**ours**, a reduce task for each core",
        ),
        python_peer(
            case, "spark-group", "PySpark RDD, `groupByKey().mapValues`", "spark_rdd_words", text,
            "group", needs=SPARK,
        ),
    ]  # fmt: skip


PYTHON_REDUCE = Case(
    name="python-reduce",
    title="A plain Python map and a plain Python reduce",
    about="Every pair is shuffled: nothing may be combined, as `reduce` is the user's own.",
    trials=_python_reduce,
    columns=AGAINST_PEERS,
    goals=(
        Goal(
            "faster than PySpark's groupByKey",
            "at least",
            2,
            lambda rows: whole_ratio(rows, "spark-group"),
        ),
    ),
    plots=throughput_bars("python-reduce", "A plain Python map and a plain Python reduce"),
)
