"""The path from map to reduce: many pairs of many keys, and pairs that mostly go to one reduce
task.
"""

from __future__ import annotations

from functools import partial

from bench.case import Case, Column, Goal, Row, Rows, divided, found
from bench.cases.columns import CORES as CORES_COLUMN
from bench.cases.columns import MAP, PROCESSOR, REDUCE, WHOLE, figure, times
from bench.contenders import ours, python_peer
from bench.results import Summary
from bench.scale import Scale
from bench.trial import CORES, OURS, Trial

SKEWED_PARTITIONS = 4
WAYS = (
    ("", "map", "pair_sums"),
    ("batch", "map_batch", "pair_sums_batch"),
    ("sql", "map_sql", "pair_sums_sql"),
)
"""The ways to write the job: variant, method, file."""


def _shuffle(scale: Scale) -> list[Trial]:
    pairs = scale.drawn_pairs()
    return [
        *(
            ours(
                "shuffle",
                pairs,
                *("--job", f"bench/jobs/{job}.py", "--reducers", str(CORES)),
                variant=variant,
                label=f"**ours**, `{method}`",
            )
            for variant, method, job in WAYS
        ),
        python_peer("shuffle", "duckdb", "DuckDB", "duckdb_pairs", pairs, needs=("module:duckdb",)),
    ]


def _stages(summary: Summary) -> float:
    return summary.figures["map_wall"] + summary.figures["reduce"]


def _against_duckdb(rows: Rows, variant: str) -> float | None:
    ours_found, duckdb = found(rows, variant=variant), found(rows, "duckdb")
    return (
        divided(_stages(ours_found), duckdb.figures["inner_s"]) if ours_found and duckdb else None
    )


def _grouping_against_duckdb(rows: Rows, variant: str) -> float | None:
    ours_found, duckdb = found(rows, variant=variant), found(rows, "duckdb")
    return (
        divided(ours_found.figures["reduce"], duckdb.figures["group_s"])
        if ours_found and duckdb
        else None
    )


def _grouping(summary: Summary, row: Row, rows: Rows) -> str:
    return times(_grouping_against_duckdb(rows, row.variant)) if row.contender == OURS else ""


def _all(summary: Summary, row: Row, rows: Rows) -> str:
    return times(_against_duckdb(rows, row.variant)) if row.contender == OURS else ""


SHUFFLE = Case(
    name="shuffle",
    title="Shuffle",
    about="Lines `key,value`; the sum of each key's values. Ours is written in three ways: a plain "
    "`map` of a line, a `map_batch` of many lines, and `map_sql` over the file as CSV. It writes "
    "sorted blocks to the store, verifies them, merges them and writes parts in key order. DuckDB "
    "reads the same file into a table, groups it in memory, and writes the sums in no order: it "
    "has no store between, and nothing to prove.",
    trials=_shuffle,
    columns=(
        CORES_COLUMN,
        WHOLE,
        MAP,
        REDUCE,
        figure("read, s", "read_s"),
        figure("group, s", "group_s"),
        figure("write, s", "write_s"),
        Column("map and reduce, of DuckDB's read, group and write", _all),
        Column("reduce, of DuckDB's group alone", _grouping),
        PROCESSOR,
    ),
    goals=tuple(
        Goal(
            f"`{method}`: map and reduce stage, in times of bare DuckDB's reading, grouping and "
            "writing",
            "at most",
            2,
            partial(_against_duckdb, variant=variant),
        )
        for variant, method, _ in WAYS
    ),
)


def hot(key: str) -> str:
    """Return the key that `SkewedSums` makes of a key with skew=key."""
    return "hot" if int(key) % 5 else key


def few(key: str) -> str:
    """Return the key that `OnePartition` makes of a key with keys=few."""
    return f"hot {int(key) % 1000}" if int(key) % 5 else key


def _skew(scale: Scale) -> list[Trial]:
    pairs = scale.drawn_pairs()
    reducers = ("--reducers", str(SKEWED_PARTITIONS))
    keys = ("--job", "bench/jobs/skewed_sums.py", *reducers, "--param")
    tasks = ("--job", "bench/jobs/one_partition.py", *reducers, "--param")
    return [
        ours("skew", pairs, *keys, "skew=none", variant="none", label="**ours**, evenly spread"),
        ours(
            "skew",
            pairs,
            *keys,
            "skew=key",
            variant="key",
            label="**ours**, 80 % of the pairs have one key",
            key=hot,
        ),
        ours(
            "skew",
            pairs,
            *tasks,
            "keys=few",
            variant="few",
            label="**ours**, 80 % of the pairs have a thousand keys, all of one reduce task",
            key=few,
        ),
        ours(
            "skew",
            pairs,
            *tasks,
            "keys=many",
            variant="many",
            label="**ours**, 80 % of all keys are of one reduce task",
            most_repeats=1,
        ),
    ]


def _of_fair(variant: str, rows: Rows) -> float | None:
    fair, skewed = found(rows, variant="none"), found(rows, variant=variant)
    return divided(skewed.figures["reduce"], fair.figures["reduce"]) if fair and skewed else None


SKEW = Case(
    name="skew",
    title="Skew",
    about=f"The same pairs, summed in {SKEWED_PARTITIONS} reduce tasks. The even spread by hash "
    "gives the fair time. Each map task sums its values of a key before the shuffle, so that a key "
    "costs the reduce stage one pair for each map task, however hot it is: 80 % of the pairs in "
    "one reduce task are no burden if they have few keys. If they have as many keys as the rest, "
    "nothing can be combined, and that task has four fifths of the work: the last row shows the "
    "cost of a bad `partition`. (A job's `partition` is called in Python once for each key of a "
    "map task, which shows in its map stage.)",
    trials=_skew,
    columns=(
        WHOLE,
        MAP,
        REDUCE,
        Column(
            "reduce stage, of its fair time",
            lambda each, row, rows: times(_of_fair(row.variant, rows)),
        ),
    ),
    goals=(
        Goal(
            "reduce stage with one hot key, in times of its fair time",
            "at most",
            1.2,
            lambda r: _of_fair("key", r),
        ),
        Goal(
            "reduce stage with 80 % of the pairs in one task, in times of its fair time",
            "at most",
            1.2,
            lambda rows: _of_fair("few", rows),
        ),
    ),
)
