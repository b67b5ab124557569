"""Requests to S3: number and price against the formula, and a reduce task over a slow store."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from typing import Any

from bench.case import Case, Column, Goal, Row, Rows, divided, found
from bench.cases.columns import WHOLE, figure, seconds, times
from bench.cases.s3 import BUCKET, EMULATOR, INPUT, emulated_s3
from bench.contenders import ours
from bench.corpus import Corpus
from bench.generated import Table
from bench.questions import sorted_lines, word_count
from bench.results import Summary
from bench.scale import Scale
from bench.trial import OURS, Data, Judged, Place, Trial
from driver.forecast.requests import RunShape, run_requests
from driver.plan.cut import reducer_count, split_rule

TERABYTE = 10**12
SHUFFLED_BY_A_COUNT = 0.01
"""How much of its input a word count shuffles, at most."""
PRICES = {"word-count": 0.10, "sort": 0.60}
"""The most that the requests of a run over 1 TB may cost, in dollars."""
DELAY_S = 0.025
BLOCK_BYTES = 64 << 10


def terabyte_usd(job: str) -> float:
    """Return the list price of the requests of a run over 1 TB, by the rules of the planner."""
    counts = job == "word-count"
    length = split_rule(TERABYTE, in_bulk=counts).split_bytes or TERABYTE
    maps = -(-TERABYTE // length)
    partitions = reducer_count(TERABYTE, combines=counts)
    shuffled = int(TERABYTE * (SHUFFLED_BY_A_COUNT if counts else 1))
    shape = RunShape(
        inputs=1,
        splits=[length] * maps,
        partitions=partitions,
        map_output_bytes=shuffled // maps,
        part_bytes=shuffled // partitions,
        total_order=job == "sort",
    )
    return run_requests(shape).dollars


def formula_usd(report: dict[str, Any]) -> float:
    """Return the price of a run's requests by the formula, given the sizes of its tasks."""
    rows = {
        stage: [row for row in report["tasks"] if row["stage"] == stage]
        for stage in ("map", "reduce")
    }
    shape = RunShape(
        inputs=1,
        splits=[row["bytes_in"] for row in rows["map"]],
        partitions=len(rows["reduce"]),
        map_output_bytes=max(row["bytes_out"] for row in rows["map"]),
        part_bytes=max(row["bytes_out"] for row in rows["reduce"]),
        seconds=report["timings"]["end_to_end"],
        total_order=report["job"] == "Sort",
    )
    return run_requests(shape).dollars


def with_formula(trial: Trial) -> Trial:
    """Return the trial with the price by the formula among its figures."""

    def judge(place: Place, stdout: str) -> Judged:
        judged = trial.judge(place, stdout)
        figures = {"formula_usd": formula_usd(json.loads(stdout))}
        return Judged(judged.figures | figures, judged.wrong)

    return replace(trial, judge=judge)


def _requests(scale: Scale) -> list[Trial]:
    lines: Data = Table("lines", scale.job_lines, scale.job_lines // 2)
    cases = (
        ("word-count", scale.text(scale.job_bytes), word_count()),
        ("sort", lines, sorted_lines()),
    )
    return [
        with_formula(
            ours(
                "s3-requests",
                corpus,
                *("--job", job.replace("-", "_"), "--chunks", "8", "--reducers", "4"),
                variant=job,
                label=f"**ours**, {job}",
                input_url=INPUT,
                store_url=f"s3://{BUCKET}/store",
                world=emulated_s3,
                needs=(EMULATOR,),
                question=question,
                most_repeats=1,
            )
        )
        for job, corpus, question in cases
    ]


def _of_formula(rows: Rows, job: str) -> float | None:
    summary = found(rows, variant=job)
    return (
        divided(summary.figures["formula_usd"], summary.figures["requests_usd"])
        if summary
        else None
    )


def _terabyte(rows: Rows, job: str) -> float | None:
    """Return the price for 1 TB, if a counted run has shown that the formula is right."""
    ratio = _of_formula(rows, job)
    return None if ratio is None else terabyte_usd(job)


def _dollars(value: float) -> str:
    return f"{value:.6f}"


REQUESTS = Case(
    name="s3-requests",
    title="Requests to S3",
    about="The requests that a run makes, counted, at their list price; the price that the formula "
    "of the forecast gives for the same tasks; and what it gives for 1 TB, cut as the planner cuts "
    f"it. A word count is taken to shuffle {SHUFFLED_BY_A_COUNT:.0%} of its input.",
    trials=_requests,
    columns=(
        figure("requests", "requests", lambda n: f"{n:.0f}"),
        figure("counted, $", "requests_usd", _dollars),
        figure("by the formula, $", "formula_usd", _dollars),
        Column(
            "formula, of the counted", lambda _, row, rows: times(_of_formula(rows, row.variant))
        ),
        Column("1 TB by the formula, $", lambda _, row, rows: f"{terabyte_usd(row.variant):.2f}"),
    ),
    goals=tuple(
        goal
        for job, most in PRICES.items()
        for goal in (
            Goal(f"{job}: requests for 1 TB", "at most", most, partial(_terabyte, job=job), " $"),
            Goal(
                f"{job}: price by the formula, of the counted",
                "at least",
                0.9,
                partial(_of_formula, job=job),
            ),
        )
    ),
)


def _slow(scale: Scale) -> list[Trial]:
    return [
        _slow_trial(scale, delay, variant, label)
        for delay, variant, label in (
            (0.0, "fast", "**ours**, no delay"),
            (DELAY_S, "slow", "**ours**, 25 ms a request"),
        )
    ]


def _slow_trial(scale: Scale, delay: float, variant: str, label: str) -> Trial:
    def command(place: Place) -> list[str]:
        options = ["--maps", str(scale.slow_maps), "--block", str(BLOCK_BYTES)]
        program = [sys.executable, "-m", "bench.slow_store", "--json"]
        return [*program, *options, "--delay", str(delay)]

    def judge(place: Place, stdout: str) -> Judged:
        figures = {name: float(value) for name, value in json.loads(stdout).items()}
        keys, right = figures["keys"], figures["right_keys"]
        return Judged(figures, "" if keys == right else f"{keys:.0f} keys, and not {right:.0f}")

    corpus = Corpus("lines", 1)  # the program makes its own blocks
    return Trial("slow-s3", OURS, label, corpus, command, judge, variant=variant)


def _of_fast(rows: Rows) -> float | None:
    fast, slow = found(rows, variant="fast"), found(rows, variant="slow")
    return divided(slow.figures["reduce_s"], fast.figures["reduce_s"]) if fast and slow else None


def _rate(summary: Summary, row: Row, rows: Rows) -> str:
    return f"{summary.figures['size_bytes'] / summary.figures['reduce_s'] / 1e6:.0f}"


SLOW_S3 = Case(
    name="slow-s3",
    title="A reduce task over a slow S3",
    about="One reduce task reads a block of each map output from a store in memory on this "
    "machine, without a delay and with 25 ms for each answer, about what S3 takes.",
    trials=_slow,
    columns=(
        WHOLE,
        figure("fetch alone, s", "fetch_s"),
        figure("reduce task, s", "reduce_s", seconds),
        Column("MB/s", _rate),
        Column("of that without a delay", lambda _, row, rows: times(_of_fast(rows))),
    ),
)
