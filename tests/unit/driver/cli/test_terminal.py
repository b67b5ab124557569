"""Messages on standard error, and the document on standard output."""

from __future__ import annotations

import io
import json
import re

import pytest
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from driver.cli import app, streams, terminal
from driver.cli.terminal import (
    add_row,
    answer,
    answer_table,
    no_output_of_jobs,
    print_document,
    say,
)
from driver.report.standard_error import console

HOSTILE = "a\x1b[2Jb\x9bc\u202ed\x1b]0;own\x07[bold]e[/nope]:smile:"
SHOWN = r"a\x1b[2Jb\x9bc\u202ed\x1b]0;own\x07[bold]e[/nope]:smile:"


class _Document(BaseModel):
    key: str


def test_a_message_is_shown_with_visible_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """A message of any text is printed with visible escapes."""
    say(HOSTILE, style="red")
    assert capsys.readouterr().err == SHOWN + "\n"


def test_without_standard_error_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard error (`2>&-`) nothing is printed or raised."""
    monkeypatch.setattr("sys.stderr", None)
    say("hello")
    with no_output_of_jobs():
        print("a job's")  # noqa: T201 - as a job may
    assert console().width == 200


@pytest.mark.parametrize("columns", ["0", "1", "80"])
def test_a_terminal_without_width(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """A terminal that reports 0 columns gets a usable width."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            """Return true."""
            return True

    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("COLUMNS", columns)
    assert console().width == max(20, int(columns))


def test_prints_of_a_job_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A job's prints go to standard error, because standard output is for the document."""
    with no_output_of_jobs():
        print(f"{HOSTILE}\tx\nnext")  # noqa: T201 - as a job may
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", f"{SHOWN}    x\nnext\n")


def test_a_document_means_the_same_and_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A document escapes C1 and bidirectional controls in JSON, and has the same content."""
    print_document(_Document(key=HOSTILE + "é"))
    out = capsys.readouterr().out
    assert json.loads(out) == {"key": HOSTILE + "é"}
    assert re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out) == []
    assert "é" in out


def test_a_document_that_cannot_be_written_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A document that cannot be written exits with 1 and one line."""

    def command(_: list[str]) -> int:
        print_document(_Document(key="x"))
        return 0

    monkeypatch.setattr("sys.stdout", None)
    monkeypatch.setattr(app, "app", command)
    assert app.exit_code([]) == 1
    assert capsys.readouterr().err == "error: standard output cannot be written to: it is closed\n"


def _table(*cells: str) -> Table:
    table = Table("name", "value", box=None, pad_edge=False)
    add_row(table, *cells)
    return table


def test_a_table_in_a_pipe_is_never_squeezed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pipe a table has no escape code and no cut cell, also with FORCE_COLOR."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    answer_table(_table("n" * 90, "v" * 90))
    head, row = capsys.readouterr().out.splitlines()
    assert ["name", "value"] == head.split()
    assert [90, 90] == [len(cell) for cell in row.split()]


@pytest.mark.parametrize(("no_color", "codes"), [("", True), ("1", False)])
def test_an_answer_in_a_terminal_has_colours_unless_no_color(
    monkeypatch: pytest.MonkeyPatch, no_color: str, codes: bool
) -> None:
    """In a terminal an answer has its style; NO_COLOR takes the colour away."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            """Return true."""
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", no_color)
    answer(f"{HOSTILE} is wrong", style="red")
    answer_table(_table(HOSTILE, "1"))
    shown = terminal.getvalue()
    assert codes == ("\x1b[31m" in shown)
    assert SHOWN in shown


def test_an_answer_that_is_not_wanted_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without standard output (`>&-`) an answer is dropped, and the command goes on."""
    for closed in (None, streams.OutputStream(None)):
        monkeypatch.setattr("sys.stdout", closed)
        answer("hello")
        answer_table(_table("a", "b"))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_is_being_done_is_shown_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
) -> None:
    """A terminal shows it with visible escapes while it is done; a pipe gets nothing."""
    screen = io.StringIO()
    shown_on = Console(file=screen, force_terminal=is_terminal, width=80)
    monkeypatch.setattr(terminal, "console", lambda: shown_on)
    with terminal.working("a\x1b[2Jb"):
        pass
    assert (r"a\x1b[2Jb" in screen.getvalue()) == is_terminal
    assert is_terminal or not screen.getvalue()
