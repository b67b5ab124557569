"""Messages on standard error, and the document on standard output."""

from __future__ import annotations

import io
import json
import re

import pytest
from pydantic import BaseModel

from driver.cli import app
from driver.cli.terminal import console, no_output_of_jobs, print_document, say

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
