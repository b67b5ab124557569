"""The record of a failure: the same words for `run`, `status`, `--json` and `replay`.

What a user sees of a failure an hour later, on another machine, is what `run` showed: each cause
with the frames in the author's file, the record and its place, and the command that runs the task
again.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress

from driver.plan.origins import at_origins
from driver.plan.tasks import RunPlan
from driver.program.command_name import COMMAND
from driver.text import BLOCK_LIMIT, TRACEBACK_LIMIT, cut_middle, storable
from mapreduce.engine.run import task_error
from mapreduce.errors import MapReduceError, StageFailed
from mapreduce.formats.compression import MAGIC_BYTES, compression_of, decompressed
from mapreduce.storage import Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import ErrorKind, Message, TaskError

CAUSES = 20
"""How many causes of a failure its record keeps, the most frequent first."""
LOCAL_COUNT_BYTES = 1 << 30
"""How far into a local file lines are counted, to give a line's number."""
REMOTE_COUNT_BYTES = 16 << 20
"""The same for an object in S3, which this machine must download for it."""


class Cause(Message):
    """One cause of a failure.

    Attributes:
        task: the first task that failed of it; "" when no task did.
        attempts: how many attempts, of all tasks, failed of it.
        kind: the name of its class in `mapreduce.errors`.
        message: the error's message.
        traceback: the author's frames, in the author's files.
        place: the place of the record, in words.
        record: the record, as `repr`.
        url: the object that holds the record.
        offset: the byte at which the record begins, in the object's decompressed text.
        line: the number of the line at which it begins, from 1; None when unknown.
    """

    task: str
    attempts: int
    kind: ErrorKind
    message: str
    traceback: str = ""
    place: str = ""
    record: str = ""
    url: str = ""
    offset: int | None = None
    line: int | None = None


class Failure(Message):
    """Why a run failed.

    Attributes:
        run: the run whose task failed; of a chain, its step.
        kind: the name of the error's class in `mapreduce.errors`.
        message: what failed, and a line for each cause.
        causes: the causes; first one that has a traceback or a place.
        replay: the command that runs the first cause's task again; "" when no task failed.
    """

    run: str
    kind: ErrorKind
    message: str
    causes: tuple[Cause, ...] = ()
    replay: str = ""


def failure_of(exc: MapReduceError, plan: RunPlan, storage: Storage) -> Failure:
    """Return the record of the error that ended a run.

    Args:
        exc: the error.
        plan: the run's plan.
        storage: reads the input of the first cause, to number its line.
    """
    error = task_error(exc)
    if isinstance(exc, StageFailed):
        causes = _causes(exc.failures)
    else:
        causes = [("", 1, error)] if error.traceback or error.place else []
    kept = [_cause(plan, task, attempts, each) for task, attempts, each in causes[:CAUSES]]
    if kept and kept[0].offset is not None:
        line = line_number(kept[0].url, kept[0].offset, storage)
        kept[0] = kept[0].model_copy(update={"line": line})
    return Failure(
        run=plan.run,
        kind=error.kind,
        message=storable(str(exc) or error.message, BLOCK_LIMIT),
        causes=tuple(kept),
        replay=replay_command(plan, kept[0].task) if kept and kept[0].task else "",
    )


def replay_command(plan: RunPlan, task: str) -> str:
    """Return the command that runs a task of a run again, from any folder."""
    store = shlex.quote(plan.store.removeprefix("file://"))
    return f"{COMMAND} replay {plan.run} {task} --store {store}"


def line_number(url: str, offset: int, storage: Storage) -> int | None:
    """Return the number of the line that begins at a byte of a text, from 1.

    Args:
        url: the object; compressed text is decompressed.
        offset: the byte, in the decompressed text.
        storage: reads the object.

    Returns:
        The number; None when the object cannot be read, or the byte lies too far in it.
    """
    most = LOCAL_COUNT_BYTES if url.startswith("file://") else REMOTE_COUNT_BYTES
    if offset > most:
        return None
    # a failure keeps its record without the line number, whatever fails in the search for it
    with suppress(Exception):
        size = storage.head(url).size
        head = b"".join(storage.stream(url, 0, min(MAGIC_BYTES, size)))
        compression = compression_of(head)
        if compression is None:
            blocks = storage.stream(url, 0, min(offset, size))
        else:
            blocks = decompressed(storage.stream(url, 0, size), compression, url)
        line, left = 1, offset
        for block in blocks:
            line += block.count(b"\n", 0, left)
            left -= len(block)
            if left <= 0:
                return line
        return line if left <= 0 else None
    return None


def _causes(failures: Mapping[str, Sequence[TaskError]]) -> list[tuple[str, int, TaskError]]:
    """Return each cause with its first task and its attempts; causes that show a record first."""
    counts = Counter((each.kind, each.message) for errors in failures.values() for each in errors)
    first: dict[tuple[str, str], tuple[str, TaskError]] = {}
    for task, errors in failures.items():
        for error in errors:
            known = first.get((error.kind, error.message))
            if known is None or (_shows(error) and not _shows(known[1])):
                first[error.kind, error.message] = (task, error)
    ordered = sorted(counts, key=lambda each: (not _shows(first[each][1]), -counts[each]))
    return [(first[each][0], counts[each], first[each][1]) for each in ordered]


def _shows(error: TaskError) -> bool:
    return bool(error.traceback or error.place)


def _cause(plan: RunPlan, task: str, attempts: int, error: TaskError) -> Cause:
    trace = cut_middle(authors_files(error.traceback, plan), TRACEBACK_LIMIT)
    return Cause(
        task=task,
        attempts=attempts,
        kind=error.kind,
        message=storable(error.message, BLOCK_LIMIT),
        traceback=storable(trace, 2 * TRACEBACK_LIMIT),
        place=storable(error.place, BLOCK_LIMIT),
        record=storable(error.record, BLOCK_LIMIT),
        url=storable(error.url, BLOCK_LIMIT),
        offset=error.offset,
    )


def authors_files(traceback: str, plan: RunPlan) -> str:
    """Return a traceback whose frames name the author's files or cells, not a worker's copy."""
    if not plan.job_folder:
        return traceback
    copy = re.compile(rf'File "[^"\n]*/{keys.JOBS}/{re.escape(plan.job.code)}/')
    named = copy.sub(lambda _: f'File "{plan.job_folder}/', traceback)
    return at_origins(named, f"{plan.job_folder}/{plan.job.module}.py", plan.origins)
