"""Output of the command line: answers on standard output, progress and notes on standard error.

All text that the driver shows passes here or through `driver.report`, and `driver.text` makes it
visible: text of a job, a file name, AWS or another program is never read as markup, and none of its
escape codes reaches a terminal.
"""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from types import TracebackType
from typing import TextIO

from pydantic import BaseModel
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from driver.cli import streams
from driver.report.standard_error import LEAST_WIDTH, console, is_terminal
from driver.text import NAME_LIMIT, json_text, shown, shown_lines

TABLE_WIDTH = 10_000
"""Columns of a table on standard output without a terminal: no cell is cut or wrapped."""


def say(text: str, style: str | None = None) -> None:
    """Show a message for people, in one or several lines; never fails."""
    with suppress(Exception):  # a message that cannot be shown must not end a run
        console().print(Text(shown_lines(text), style=style or ""), soft_wrap=True)


def prompt(question: str) -> None:
    """Show a question on standard error, whose answer stands on the same line; never fails."""
    with suppress(Exception):
        console().print(Text(shown_lines(question)), end="", soft_wrap=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show in a terminal, while the block runs, what is being done."""
    shown_on = console()
    if not shown_on.is_terminal:
        yield
        return
    with shown_on.status(Text(shown(what))):
        yield


def add_row(table: Table, *cells: object) -> None:
    """Add a row whose texts may hold any characters."""
    table.add_row(*(Text(shown(cell, NAME_LIMIT)) for cell in cells))


@contextmanager
def no_output_of_jobs() -> Iterator[None]:
    """Send what a job prints in this process to standard error: standard output is for programs."""
    with redirect_stdout(_Shown(sys.stderr)):
        yield


class _Shown(streams.QuietStream):
    """A job's prints on their way to the terminal: a job may print what it reads."""

    def isatty(self) -> bool:
        """Return False, so that a debugger in the job uses no colours, which would be escapes."""
        return False

    def write(self, text: str) -> int:
        """Write a text with visible escapes, cut to a limit."""
        super().write(shown_lines(text))
        return len(text)


def print_document(document: BaseModel, fields: str | None = None) -> None:
    """Print the one JSON document of a command, for programs.

    Args:
        document: the document.
        fields: the names of its fields to print, with commas between; None for all.

    Raises:
        UsageError: the document has no such field.
        NotWritten: standard output cannot be written to.
    """
    write_json(document.model_dump_json(indent=2, include=_chosen(type(document), fields)))


def _chosen(model: type[BaseModel], fields: str | None) -> set[str] | None:
    if fields is None:
        return None
    names = [name.strip() for name in fields.split(",")]
    if unknown := [name for name in names if name not in model.model_fields]:
        from mapreduce.errors import UsageError  # brings the job API

        raise UsageError(
            f"--fields {shown(unknown[0])}: the document has no such field; "
            f"it has: {', '.join(model.model_fields)}"
        )
    return set(names)


def write_json(text: str) -> None:
    """Print JSON on standard output, without terminal control characters; raises `NotWritten`."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("_", "-")
    write_line(json_text(text, ascii_only=encoding not in ("utf-8", "utf8")))


def write_line(text: str) -> None:
    """Print a line on standard output, for programs, as it is; raises `NotWritten`."""
    output = streams.OutputStream(sys.stdout)
    output.write(text + "\n")
    output.flush()


def answer(text: str, style: str = "") -> None:
    """Print the answer of a command, for people, on standard output; raises `NotWritten`.

    Args:
        text: one or several lines.
        style: of `rich`, for a terminal only.
    """
    if _is_without_output():
        return
    if style and is_terminal(sys.stdout):
        _output(None).print(Text(shown_lines(text), style=style), soft_wrap=True)
    else:
        write_line(shown_lines(text))


@contextmanager
def rewritten() -> Iterator[Callable[[str], None]]:
    """Yield a function that shows a line: in a terminal in the place of the last one."""
    if not is_terminal(sys.stdout):
        yield answer
        return
    with Live(console=_output(None), auto_refresh=False, transient=True) as live:
        yield lambda text: live.update(Text(shown(text)), refresh=True)


def terminal_width() -> int | None:
    """Return the columns of the terminal on standard output; None in a pipe, which has no limit."""
    if not is_terminal(sys.stdout):
        return None
    return max(LEAST_WIDTH, _output(None).width)


def answer_table(table: Table) -> None:
    """Print a table on standard output, in a pipe as wide as its cells; raises `NotWritten`."""
    if _is_without_output():
        return
    if is_terminal(sys.stdout):
        _output(None).print(table)
        return
    with io.StringIO() as text:
        _output(TABLE_WIDTH, text).print(table)
        lines = text.getvalue().splitlines()
    write_line("\n".join(line.rstrip() for line in lines))


def _output(width: int | None, file: TextIO | None = None) -> Console:
    """Return a console over standard output, or a file; rich honours NO_COLOR."""
    made = Console(
        file=file or sys.stdout,
        highlight=False,
        markup=False,
        emoji=False,
        width=width,
        force_terminal=False if file else None,  # FORCE_COLOR is for terminals
    )
    return made if made.width >= LEAST_WIDTH else _output(LEAST_WIDTH, file)


def _is_without_output() -> bool:
    """Return whether the user has closed standard output (`>&-`), and so wants no answer."""
    return sys.stdout is None or getattr(sys.stdout, "is_missing", False)


def can_answer() -> bool:
    """Return whether standard input is a terminal, so that the user can answer a question."""
    return is_terminal(sys.stdin)


def answers_yes(question: str) -> bool:
    """Ask the user a question, and return whether the answer is yes."""
    prompt(question)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def make_safe() -> None:
    """Make the process's streams, log and exception hook safe; call it at the program's start."""
    streams.make_safe()
    sys.excepthook = _say_exception
    logging.lastResort = _SaidLog(logging.WARNING)


def _say_exception(
    kind: type[BaseException], exc: BaseException, trace: TracebackType | None
) -> None:
    """Show an unhandled exception of this program as Python does."""
    say("".join(traceback.format_exception(kind, exc, trace)).rstrip())


class _SaidLog(logging.Handler):
    """The warnings of libraries, which may hold any characters."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record), style="yellow")
