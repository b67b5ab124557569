"""The lines that show a failed run, the same for every command."""

from __future__ import annotations

from driver.history.failure import Cause, Failure
from driver.text import LINE_LIMIT, TRACEBACK_LINES, interruption_text, shown, shown_lines
from mapreduce.engine.run import task_error
from mapreduce.errors import MapReduceError, UsageError, UserCodeError, kind_of
from mapreduce.wire.messages import Message

Line = tuple[str, str]
"""A text of one or several lines, and its style."""
INTERRUPTED = "Interrupted"
"""The kind of the document after Ctrl-C."""


class ErrorDetail(Message):
    """An error.

    `kind` is the name of its class in `mapreduce.errors`, or Interrupted after Ctrl-C; `exit_code`
    is that of the command. Of a failed run, `run` is its id, `causes` are those that `status` has
    in `failed`, and `replay` is the command that runs the failed task again.
    """

    kind: str
    message: str
    exit_code: int
    run: str = ""
    causes: tuple[Cause, ...] = ()
    replay: str = ""


class ErrorDocument(Message):
    """The document of a command that ends with an error, in place of its own."""

    error: ErrorDetail


def error_document(exc: Exception | KeyboardInterrupt, exit_code: int) -> ErrorDocument:
    """Return the document of an error that ends a command; one that is not ours is wrong use."""
    failure: Failure | None = getattr(exc, "failure", None)
    if isinstance(exc, KeyboardInterrupt):
        kind, message = INTERRUPTED, interruption_text(exc)
    else:
        kind = kind_of(exc) if isinstance(exc, MapReduceError) else UsageError.__name__
        message = str(exc)
    detail = ErrorDetail(kind=kind, message=message, exit_code=exit_code)
    if failure is not None:
        shown_of = {name: getattr(failure, name) for name in ("message", "run", "causes", "replay")}
        detail = detail.model_copy(update=shown_of)
    elif isinstance(exc, UserCodeError):
        detail = detail.model_copy(update={"causes": (cause_of(exc),)})
    return ErrorDocument(error=detail)


def failure_lines(failure: Failure) -> list[Line]:
    """Return the lines of a failure: the first cause, all causes, the next command."""
    lines = cause_lines(failure.causes[0]) if failure.causes else []
    lines.append((f"error: {failure.message}", "red"))
    if failure.replay:
        lines.append((f"replay it: {failure.replay}", ""))
    return lines


def error_lines(error: UserCodeError) -> list[Line]:
    """Return the lines of an error of the job's code that ended no run."""
    return cause_lines(cause_of(error))


def cause_of(error: UserCodeError) -> Cause:
    """Return an error of the job's code that ended no run as the cause of a failure."""
    told = task_error(error).model_dump(exclude={"object"})
    return Cause(task="", attempts=1, **told)


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
