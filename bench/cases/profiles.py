"""Where the processor time of each job goes: before the map over columns, now, and without C."""

from __future__ import annotations

from dataclasses import replace

from bench.case import Case, Column, Row, Rows, divided, found
from bench.cases.columns import INPUT, MAP, PROCESSOR, REDUCE, SPLIT, figure, times
from bench.cases.groups import GROUPS
from bench.cases.jobs8 import JOBS
from bench.cases.pairs import SHUFFLE
from bench.cases.work import WORK, work_s
from bench.profile import OTHER, of_before, profiled, without_c
from bench.results import Summary
from bench.scale import Scale
from bench.trial import OURS, Place, Trial

BEFORE, PURE = "ours-before", "ours-pure"
FIFTH = 5
"""The part of the pairs that are shuffled here: without C, all of them take minutes."""


def _trials(scale: Scale) -> list[Trial]:
    smaller = replace(scale, pairs=scale.pairs // FIFTH, keys=scale.keys // FIFTH)
    ones = [_one(case, smaller) for case in (*JOBS, SHUFFLE)]
    columns = [_one(case, scale, "country") for case in GROUPS]
    return [trial for one in [*ones, *columns] for trial in _states(one)]


def _one(case: Case, scale: Scale, variant: str = "") -> tuple[Case, Trial]:
    """Return a case with its trial of ours in a variant."""
    for trial in case.trials(scale):
        if (trial.contender, trial.variant) == (OURS, variant):
            return case, trial
    raise LookupError(f"{case.name} has no trial of ours")


def _states(one: tuple[Case, Trial]) -> list[Trial]:
    """Return a job's trials: before, now, and without C. Before, columns were read as rows."""
    case, now = one
    earlier = _as_before(now) if case in GROUPS else now
    states = (
        (BEFORE, "before", of_before(earlier)),
        (OURS, "now", now),
        (PURE, "now, without C", without_c(now)),
    )
    title = case.title.removeprefix("Job: ")
    return [
        replace(
            profiled(trial),
            case="profiles",
            contender=contender,
            variant=case.name,
            label=f"{title}, {state}",
            most_repeats=1,
        )
        for contender, state, trial in states
    ]


def _as_before(trial: Trial) -> Trial:
    """Return the trial of a group-by with the job that this project had before: over rows, and
    without declared columns.
    """

    def command(place: Place) -> list[str]:
        words = [word.replace(":By", ":RowsBy") for word in trial.command(place)]
        return [word.replace("sums_jsonl.py", "sums_jsonl_plain.py") for word in words]

    return replace(trial, command=command)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _of_now(summary: Summary, row: Row, rows: Rows) -> str:
    now = found(rows, OURS, row.variant)
    if row.contender == OURS or not now:
        return ""
    return times(divided(work_s(summary), work_s(now)))


KINDS = (
    ("Python", "python"),
    ("our C", "native"),
    ("DuckDB", "duckdb"),
    ("Arrow", "arrow"),
    ("compression and digests", "compression"),
    ("kernel", "kernel"),
    ("other", OTHER),
)
PROFILES = Case(
    name="profiles",
    title="Where the time goes",
    about="Each job once under `perf`, from the command to its end: shares of all samples of all "
    "processes, by the program or library that runs. Before is this project before it had maps "
    "over columns, where `map_sql` had to be a `map` over rows; without C is "
    "`MAPREDUCE_NATIVE=off`. The answers are the same, and checked. The start counts: of a short "
    "run, Python's share is its imports.",
    trials=_trials,
    columns=(
        INPUT,
        SPLIT,
        MAP,
        REDUCE,
        WORK,
        Column("work, of that of now", _of_now),
        PROCESSOR,
        *(figure(title, f"share_{kind}", _percent) for title, kind in KINDS),
    ),
)
