"""`bench`: the speed-up by more mappers, measured with a job on a fleet."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Group, Parameter
from rich.table import Column, Table

from driver.cli.options import Fields, Flag, Given, JobOptions
from driver.cli.terminal import answer, answer_table, no_output_of_jobs, print_document, say
from driver.cli.values import assignments, counts
from driver.plan.config import RunConfig, at_least_one
from driver.program.command_name import COMMAND
from driver.text import bytes_text, plural
from mapreduce.errors import UsageError

if TYPE_CHECKING:
    from driver.report.speedup import Measured, SpeedUp, Spread
    from driver.targets.prepare import Prepared

_MEASURED = Parameter(group=Group("What is measured", sort_key=2))
_CUT = Parameter(group=Group("How the work is cut", sort_key=3))
_RESULT = Parameter(group=Group("Result", sort_key=4))
BenchTarget = Literal["auto", "local", "aws"]
TASKS_A_SLOT = 4
"""Map tasks for each slot of the largest fleet: with few tasks, the last ones leave most slots
empty."""


def bench(
    *inputs: Given,
    job: JobOptions = JobOptions(),
    target: Annotated[BenchTarget, _MEASURED] = "auto",
    mappers: Annotated[str, _MEASURED] = "1,2,3,5,10",
    repeat: Annotated[int, _MEASURED] = 3,
    store: Annotated[str | None, _MEASURED] = None,
    reducers: Annotated[int | None, _CUT] = None,
    chunks: Annotated[int | None, _CUT] = None,
    output: Annotated[Path, _RESULT] = Path("speedup"),
    json: Annotated[Flag, _RESULT] = False,
    fields: Annotated[Fields, _RESULT] = None,
) -> int:
    """Measure the speed-up by more mappers, as two figures.

    The figures show the map stage and the time end to end, with Amdahl's bound; what is not map
    stage counts as serial. Run the same work with each number of mappers several times, in turn.
    Reuse nothing, and delete what the runs have written (in AWS input and code stay).

        python -m driver bench book.txt --mappers 1,2,4
        python -m driver bench s3://bucket/logs/ --job top_k --target aws

    Args:
        inputs: As with --input.
        job: The job and its input.
        mappers: The numbers of mappers; 1 is always measured. In AWS, the first ones that run.
        repeat: How often each is measured.
        chunks: How many splits to make (by default four for each slot).
        reducers: How many reduce tasks.
        target: local: this machine; aws: the deployed stack; auto: aws if there is one.
        output: The folder for map-stage.svg and end-to-end.svg.
        json: Print one JSON document on standard output.
        fields: Print only these of its fields, with commas between.
        store: Folder or URL that the runs write to (by default a temporary folder).
    """
    from driver.report.speedup import speed_up
    from driver.targets import prepare as targets

    levels = tuple(sorted({1, *counts("--mappers", mappers)}))
    at_least_one("--repeat", repeat)
    config = replace(
        _config_of(job.with_inputs("bench", *inputs)),
        mappers=levels[-1],
        reducers=reducers,
        chunks=chunks,
    )
    with no_output_of_jobs(), _folder(target, store) as place:
        prepared = targets.prepare(config, target, place)
        _check_fleet(prepared, levels)
        config = replace(config, chunks=chunks or TASKS_A_SLOT * prepared.map_slots)
        processors = _processors(prepared, levels)
        runs = _all_measured(config, target, place, levels, repeat)
    written = _draw(found := speed_up(runs), prepared, config.chunks or 0, processors, output)
    if as_document := json or fields is not None:
        print_document(found, fields)
    else:
        answer_table(_table(found))
    for path in written:
        (say if as_document else answer)(f"written   {path}")
    return 0


def _config_of(job: JobOptions) -> RunConfig:
    """Return a run that reuses nothing and is not reused."""
    parameters = assignments("--param", job.param)
    inputs = job.input if job.over is None else (job.over,)
    over = job.over is not None
    return RunConfig(inputs, job.job, parameters, fresh=True, remembered=False, over=over)


def _all_measured(
    config: RunConfig, target: BenchTarget, place: str | None, levels: Sequence[int], repeat: int
) -> list[Measured]:
    """Return the runs with each number of mappers, in turn: a noisy machine disturbs all alike."""
    runs = []
    for number in range(1, repeat + 1):
        for level in levels:
            runs.append(_measured(replace(config, mappers=level), target, place))
            say(f"{plural(level, 'mapper')}, run {number} of {repeat}: {_seconds(runs[-1])}")
    return runs


def _draw(
    found: SpeedUp, prepared: Prepared, splits: int, processors: int | None, output: Path
) -> list[Path]:
    """Write both figures into a folder, and return their paths."""
    from driver.report.chart import svg
    from driver.report.figures import end_to_end, map_stage

    size = bytes_text(sum(given.size for given in prepared.inputs))
    subtitle = f"{prepared.source.name}, {size} in {plural(splits, 'split')}, {prepared.target}"
    output.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (("map-stage.svg", map_stage), ("end-to-end.svg", end_to_end)):
        (output / name).write_text(svg(draw(found, subtitle, processors)), encoding="utf-8")
        written.append(output / name)
    return written


@contextmanager
def _folder(target: BenchTarget, store: str | None) -> Iterator[str | None]:
    """Yield the given store, None for the stack's, or a temporary folder for the runs."""
    from driver.cloud.terraform import is_deployed

    if store is not None or target == "aws" or (target == "auto" and is_deployed()):
        yield store
        return
    with tempfile.TemporaryDirectory(prefix=".mapreduce-bench-", dir=Path.cwd()) as folder:
        yield folder


def _check_fleet(prepared: Prepared, levels: tuple[int, ...]) -> None:
    """Raise `UsageError` for more mappers than run, where a run does not start its mappers."""
    from driver.targets.prepare import mappers_there

    there = asyncio.run(mappers_there(prepared))
    if there is not None and levels[-1] > there:
        raise UsageError(
            f"--mappers {levels[-1]}: only {plural(there, 'mapper')} run; "
            f"first: {COMMAND} stack start --mappers {levels[-1]}"
        )


def _processors(prepared: Prepared, levels: tuple[int, ...]) -> int | None:
    """Return how many processors the mappers share; None when they do not share this machine's."""
    if prepared.target != "local":
        return None
    processors = os.cpu_count() or 1
    if levels[-1] > processors:
        say(
            f"this machine has {plural(processors, 'processor')}: "
            "more mappers bring no more speed-up here",
            style="yellow",
        )
    return processors


def _measured(config: RunConfig, target: BenchTarget, store: str | None) -> Measured:
    """Run once, and delete what the run wrote."""
    from driver.history import cleaning
    from driver.plan.events import EventLog
    from driver.report.speedup import Measured
    from driver.targets import prepare as targets
    from driver.targets.start import carry_out

    started = time.monotonic()
    prepared = targets.prepare(config, target, store)
    report = asyncio.run(carry_out(prepared, EventLog(), lambda *_: None, started))
    cleaning.carry_out(
        cleaning.plan_cleaning(prepared.runs, [report.run_id], results=True), prepared.runs
    )
    timings = report.timings
    return Measured(
        mappers=config.mappers or 1, map_s=timings.map_wall, end_to_end_s=timings.end_to_end
    )


def _seconds(run: Measured) -> str:
    return f"map stage {run.map_s:.2f} s, end to end {run.end_to_end_s:.2f} s"


def _table(found: SpeedUp) -> Table:
    names = ("mappers", "map stage", "speed-up", "end to end", "speed-up", "Amdahl's bound")
    table = Table(*(Column(name, justify="right") for name in names), box=None, pad_edge=False)
    for level in found.levels:
        table.add_row(
            str(level.mappers),
            _text(level.map_s, " s"),
            _text(level.map_speed_up, " x"),
            _text(level.end_to_end_s, " s"),
            _text(level.speed_up, " x"),
            f"{level.bound_s:.2f} s, {level.bound_speed_up:.2f} x",
        )
    return table


def _text(values: Spread, unit: str) -> str:
    """Return the median and the range of the values."""
    return f"{values.median:.2f}{unit} ({values.least:.2f}-{values.most:.2f})"
