"""Runs one task of an earlier run again in this process: the same byte ranges, the same code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from driver.history.reuse import FinishedTasks
from driver.history.run_store import RunStore
from driver.plan.tasks import AnyTask, RunPlan, map_tasks, reduce_tasks, split_task
from driver.program.command_name import COMMAND
from mapreduce.code import CodeLoader
from mapreduce.engine import TaskContext
from mapreduce.engine.fetch import find_blocks, write_list
from mapreduce.errors import InputError
from mapreduce.wire.messages import (
    MapResult,
    MapTask,
    ReduceResult,
    ReduceTask,
    SplitResult,
    SplitTask,
)

MEMORY_BYTES = 1 << 30
ATTEMPT = "replay"


@dataclass(frozen=True, slots=True)
class Replay:
    """A task, and the context that it needs to run here."""

    task: AnyTask
    context: TaskContext

    @property
    def reads(self) -> list[str]:
        """What it reads, for people: byte ranges as `URL bytes start-end`."""
        if isinstance(self.task, MapTask):
            return [
                f"{piece.source} bytes {piece.start}-{piece.end}"
                for piece in self.task.split.pieces
            ]
        if isinstance(self.task, ReduceTask):
            partition = find_blocks(self.task, self.context)
            listed = [self.task.outputs.url] if self.task.outputs else []
            return listed + [
                f"{source.output.url} bytes {source.block.offset}-"
                f"{source.block.offset + source.block.length}"
                for source in partition.sources
            ]
        return [given.url for given in self.task.inputs]

    def forget(self, result: SplitResult | MapResult | ReduceResult) -> None:
        """Delete what the task has written."""
        if not isinstance(result, SplitResult):
            self.context.storage.delete([result.url, *([result.pairs.url] if result.pairs else [])])


def first_failure(runs: RunStore, run: str) -> tuple[str, str]:
    """Return the run, or the step of a chain, and its task that failed first.

    Raises:
        InputError: the run has not failed, or no task of it has.
    """
    failure = runs.failure(run)
    task = failure.causes[0].task if failure and failure.causes else ""
    if failure is None or not task:
        why = "failed outside its tasks" if failure else "has not failed"
        raise InputError(
            f"{run} {why}; name one of its tasks: {COMMAND} replay {run} map-0{runs.option}"
        )
    return failure.run, task


@contextmanager
def prepared_replay(runs: RunStore, run: str, name: str) -> Iterator[Replay]:
    """Yield the task of that name (`map-3`) of a run, ready to run.

    Raises:
        InputError: the run has no such task, or has not reached it.
    """
    plan = runs.plan(run)
    if plan.chain:
        steps = ", ".join(runs.steps(run))
        raise InputError(f"{run} is a chain; replay a task of one of its steps: {steps}")
    with tempfile.TemporaryDirectory(prefix="mapreduce-") as scratch:
        folder = Path(scratch)
        context = TaskContext(
            storage=runs.storage,
            scratch=folder / "scratch",
            memory_bytes=MEMORY_BYTES,
            load_job=CodeLoader(runs.storage, runs.store, folder / "jobs").load,
        )
        yield Replay(_task(plan, runs, name), context)


def _task(plan: RunPlan, runs: RunStore, name: str) -> SplitTask | MapTask | ReduceTask:
    finished = FinishedTasks(runs.storage, runs.store)
    specs = [split_task(plan)]
    split = runs.results(plan.run).split or finished.find(specs).get(0)
    if isinstance(split, SplitResult):
        maps = map_tasks(plan, split)
        specs += maps
        results = runs.results(plan.run).maps or [
            result for _, result in sorted(finished.find(maps).items())
        ]
        if plan.partitions and len(results) == len(maps):
            mapped = [result for result in results if isinstance(result, MapResult)]
            outputs = None
            if name.startswith("reduce-"):
                outputs = write_list(mapped, plan.store, plan.run, runs.storage)
            specs += reduce_tasks(plan, mapped, outputs)
    for spec in specs:
        if spec.name == name:
            return spec.message(ATTEMPT)
    others = " (its split stage is not finished)"
    if len(specs) > 1:
        others = f", {specs[1].name} to {specs[-1].name}"
    raise InputError(
        f"{plan.run} has no task {name!r} that could be run again; it has: {specs[0].name}{others}"
    )
