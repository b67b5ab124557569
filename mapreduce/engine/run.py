"""From a task's message to its result, or to the error that the wire carries."""

from __future__ import annotations

from mapreduce.engine.context import TaskContext
from mapreduce.engine.map_task import run_map
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.engine.said import short_error
from mapreduce.engine.split import run_split
from mapreduce.errors import CorruptBlock, OutputLost, RecordError, UserCodeError
from mapreduce.user_code.calls import text_of
from mapreduce.wire.messages import (
    MapResult,
    MapTask,
    ReduceResult,
    ReduceTask,
    SplitResult,
    SplitTask,
    TaskError,
)


def run_task(
    task: SplitTask | MapTask | ReduceTask, context: TaskContext
) -> SplitResult | MapResult | ReduceResult:
    """Carry out one task of any stage; raises what its stage raises."""
    result = _run(task, context)
    imported = context.imported()
    if not imported:
        return result
    return result.model_copy(update={"cost": result.cost.model_copy(update={"imported": imported})})


def _run(
    task: SplitTask | MapTask | ReduceTask, context: TaskContext
) -> SplitResult | MapResult | ReduceResult:
    if isinstance(task, SplitTask):
        return run_split(task, context)
    if isinstance(task, MapTask):
        return run_map(task, context)
    return run_reduce(task, context)


def task_error(exc: BaseException) -> TaskError:
    """Return what the wire says of an exception: its class, its words, and the user's frames if it is theirs.

    Each text is cut to its limit.
    """
    return short_error(_error(exc))


def _error(exc: BaseException) -> TaskError:
    if isinstance(exc, UserCodeError):
        return TaskError(
            kind=type(exc).__name__,
            message=exc.message,
            traceback=exc.traceback,
            place=exc.place,
            record=exc.record,
        )
    if isinstance(exc, RecordError):
        return TaskError(
            kind="RecordError", message=exc.message, place=exc.place, record=exc.record
        )
    if isinstance(exc, MemoryError):
        return TaskError(kind="TaskLost", message="the worker ran out of memory (MemoryError)")
    lost = exc.url if isinstance(exc, OutputLost | CorruptBlock) else ""
    return TaskError(
        kind=type(exc).__name__, message=text_of(exc) or type(exc).__name__, object=lost
    )
