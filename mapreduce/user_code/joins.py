"""Which earlier step a step of a chain joins, and whether it can."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mapreduce.errors import JobLoadError
from mapreduce.job import Job

if TYPE_CHECKING:
    from mapreduce.chain import Step


def joined_step(step: Step, done: Sequence[Step]) -> int:
    """Return the number of the step that a step joins, from 1 on; 0 where it joins none.

    Args:
        step: as the author's `steps` yielded it.
        done: the steps before it.

    Raises:
        JobLoadError: it cannot join that step.
    """
    if step.joins is None:
        return 0
    where = f"step {len(done) + 1} of the chain"
    number = len(done) if step.joins == "previous" else getattr(step.joins, "step", None)
    if type(number) is not int or not 1 <= number <= len(done):
        raise JobLoadError(
            f'{where} has joins={_shown(step.joins)}; write joins="previous" from the second step '
            "on, or the result that an earlier `yield` returned"
        )
    if why := _cannot_join(step.job) or _reducers(step):
        raise JobLoadError(f"{where} has `joins`, and {why}")
    if why := _cannot_be_joined(done[number - 1].job):
        raise JobLoadError(f"{where} joins step {number}, {why}")
    return number


def _shown(given: object) -> str:
    return "a result" if hasattr(given, "step") else repr(given)[:100]


def _cannot_join(job: Job) -> str:
    """Return why a job's step cannot join another; "" if it can."""
    name = type(job).__name__
    if job.map_only or job.aggregation is not None:
        return f"{name} has no `reduce` method, which gets the joined values; write one"
    if job.total_order:
        return f"{name} has `total_order`, which moves all pairs; remove one of them"
    return ""


def _reducers(step: Step) -> str:
    if step.reducers is None and type(step.job).reducers is None:
        return ""
    return "`reducers` too; remove it: it has as many reduce tasks as the step that it joins"


def _cannot_be_joined(job: Job) -> str:
    """Return why a job's result cannot be joined; "" if it can."""
    name = type(job).__name__
    if job.map_only:
        return f"whose job {name} has no `reduce`, so that its result is not partitioned by key"
    if job.keep_order:
        return f"whose job {name} has `keep_order`, so that its parts are not in key order"
    if job.total_order:
        return f"whose job {name} has `total_order`: a key's part depends on all the others there"
    return ""
