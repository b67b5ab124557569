"""Run one task: from its message to its result, or to the error that the wire carries."""

from __future__ import annotations

from mapreduce.engine.context import TaskContext
from mapreduce.engine.map_task import run_map
from mapreduce.engine.reduce_task import run_reduce
from mapreduce.engine.split import run_split
from mapreduce.engine.text_limits import short_error
from mapreduce.errors import (
    CorruptBlock,
    MapReduceError,
    OutputLost,
    RecordError,
    UserCodeError,
    kind_of,
)
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
    """Run one task of any stage; raise what its stage raises."""
    if isinstance(task, SplitTask):
        result: SplitResult | MapResult | ReduceResult = run_split(task, context)
    elif isinstance(task, MapTask):
        result = run_map(task, context)
    else:
        result = run_reduce(task, context)
    imported = context.imported()
    if not imported:
        return result
    return result.model_copy(update={"cost": result.cost.model_copy(update={"imported": imported})})


def task_error(exc: BaseException) -> TaskError:
    """Return the wire's form of an exception: class, message and, for user code, its frames.

    Each text is cut to its limit.
    """
    return short_error(_error(exc))


def _error(exc: BaseException) -> TaskError:
    kind = kind_of(exc)
    if isinstance(exc, UserCodeError | RecordError):
        return TaskError(
            kind=kind,
            message=exc.message,
            traceback=exc.traceback if isinstance(exc, UserCodeError) else "",
            place=exc.place,
            record=exc.record,
            url=exc.url,
            offset=exc.offset,
        )
    if isinstance(exc, MemoryError):
        return TaskError(kind=kind, message="the worker ran out of memory (MemoryError)")
    name, text = type(exc).__name__, text_of(exc)
    if not isinstance(exc, MapReduceError):
        return TaskError(kind=kind, message=f"{name}: {text}" if text else name)
    lost = exc.url if isinstance(exc, OutputLost | CorruptBlock) else ""
    return TaskError(kind=kind, message=text or name, object=lost)
