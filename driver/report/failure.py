"""The lines that show a failed run, the same for every command."""

from __future__ import annotations

from driver.history.failure import Cause, Failure
from driver.text import LINE_LIMIT, TRACEBACK_LINES, shown, shown_lines
from mapreduce.engine.run import task_error
from mapreduce.errors import UserCodeError

Line = tuple[str, str]
"""A text of one or several lines, and its style."""


def failure_lines(failure: Failure) -> list[Line]:
    """Return the lines of a failure: the first cause, all causes, the next command."""
    lines = cause_lines(failure.causes[0]) if failure.causes else []
    lines.append((f"error: {failure.message}", "red"))
    if failure.replay:
        lines.append((f"replay it: {failure.replay}", ""))
    return lines


def error_lines(error: UserCodeError) -> list[Line]:
    """Return the lines of an error of the job's code that ended no run."""
    told = task_error(error).model_dump(exclude={"object"})
    return cause_lines(Cause(task="", attempts=1, **told))


def cause_lines(cause: Cause) -> list[Line]:
    """Return the job's frames, the place of the record and the record, where known."""
    lines: list[Line] = []
    if cause.traceback:
        trace = cause.traceback.rstrip().split("\n")
        if len(trace) > TRACEBACK_LINES:
            half = TRACEBACK_LINES // 2
            trace = [*trace[:half], "  ...", *trace[-half:]]
        lines.append(("Traceback of the job's code (most recent call last):", ""))
        lines.append(("\n".join(shown_lines(line, LINE_LIMIT) for line in trace), ""))
    if cause.place:
        number = f" (line {cause.line:,})" if cause.line is not None else ""
        lines.append((f"in the record at {shown(cause.place)}{number}", ""))
    if cause.record:
        lines.append((f"record: {shown(cause.record)}", ""))
    return lines
