"""Progress of a long command."""

from __future__ import annotations

import io

import pytest

from driver.cli.progress import Lines, progress, progress_text


def test_a_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe there is a line at the first call after each five seconds, and none before."""
    clock = [100.0]
    lines = Lines("verify", {"record read": 5000}, lambda: clock[0])
    for at, done in ((104.9, 1000), (105.0, 2000), (109.0, 3000), (110.5, 4000)):
        clock[0] = at
        lines("record read", done)
    assert [
        "verify: 2,000 of 5,000 records read",
        "verify: 4,000 of 5,000 records read",
    ] == capsys.readouterr().err.splitlines()


def test_a_number_without_a_total() -> None:
    """Without a known total only the number is shown."""
    assert "1 record read" == progress_text("record read", 1, None)
    assert "7,000 keys reduced" == progress_text("key reduced", 7000, None)


def test_a_terminal_gets_a_bar_that_disappears(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal a bar shows the last number, and is gone at the end."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            """Return true."""
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("verify", {"record read": 5000}) as tell:
        tell("record read", 4000)
    assert "4,000 of 5,000 records read" in terminal.getvalue()
