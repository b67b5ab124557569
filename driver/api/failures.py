"""An error as a program in Python gets it: short, with the evidence as notes."""

from __future__ import annotations

from collections.abc import Sequence

from driver.api.jobs import GivenJob
from driver.plan.origins import at_origins
from driver.report.failure import error_lines, failure_lines
from driver.text import shown_lines
from mapreduce.errors import MapReduceError, UserCodeError

AGAIN = "interrupted; the same call goes on where it stopped"
Shortened = MapReduceError | KeyboardInterrupt


def shortened(exc: Shortened, job: GivenJob | None) -> Shortened:
    """Return an error without the frames of this program, with what is known as its notes.

    The notes have the author's traceback, the record, and the command that runs the task again. A
    notebook shows the message and the notes alone.

    Args:
        exc: the error.
        job: the job, whose file may have been gathered from cells.
    """
    later = list(getattr(exc, "__notes__", ()))
    exc.__notes__ = [*(_in_cells(line, job) for line in _evidence(exc)), *later]
    if exc.args and isinstance(exc.args[0], str):
        exc.args = (shown_lines(_in_cells(exc.args[0], job)), *exc.args[1:])
    rendered = [_message(exc), *(shown_lines(note) for note in exc.__notes__)]
    exc._render_traceback_ = lambda: list(rendered)  # type: ignore[union-attr]
    return exc.with_traceback(None)


def _evidence(exc: Shortened) -> Sequence[str]:
    if isinstance(exc, KeyboardInterrupt):
        return [] if exc.args else [AGAIN]
    if exc.failure is not None:
        # the message itself is not among the notes
        return [text for text, style in failure_lines(exc.failure) if style != "red"]
    if isinstance(exc, UserCodeError):
        return [text for text, _ in error_lines(exc)]
    return []


def _in_cells(text: str, job: GivenJob | None) -> str:
    if job is None or job.file is None:
        return text
    return at_origins(text, str(job.file), job.origins)


def _message(exc: BaseException) -> str:
    text = str(exc)
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__
