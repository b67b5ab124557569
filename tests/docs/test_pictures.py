"""The picture of the terminal shows what a run prints."""

from __future__ import annotations

import re

from docs.pictures import PICTURES, terminal_now

ESCAPES = re.compile(r"\x1b\[[\d;]*m")


def _words(text: str) -> list[str]:
    """Return the lines without colours, numbers and names of runs."""
    plain = re.sub(r"run-\d+-\d+-[a-z]+-[a-z]+", "RUN", ESCAPES.sub("", text))
    return [" ".join(re.sub(r"[\d.,:]+", "N", line).split()) for line in plain.splitlines()]


def test_the_terminal_is_as_it_is_shown() -> None:
    """The lines of the picture are those of a run now; else run: make pictures."""
    assert _words((PICTURES / "terminal.ansi").read_text(encoding="utf-8")) == _words(
        terminal_now()
    )
