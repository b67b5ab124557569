"""Standard error as a console, for progress and notes."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console

PIPE_WIDTH = 200
"""Columns of progress without a terminal: lines do not wrap."""
LEAST_WIDTH = 20
"""Columns at least: some terminals report 0."""


def console() -> Console:
    """Return standard error, for people.

    rich honours NO_COLOR; in a pipe it writes plain text, and wraps nothing.
    """
    made = _console(None if is_terminal(sys.stderr) else PIPE_WIDTH)
    return made if made.width >= LEAST_WIDTH else _console(LEAST_WIDTH)


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; False for one that is closed."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def _console(width: int | None) -> Console:
    return Console(stderr=True, highlight=False, markup=False, emoji=False, width=width)
