"""The two doors of the command line: people read standard error, programs read standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from pydantic import BaseModel
from rich.console import Console


def console() -> Console:
    """Standard error, for people. rich honours NO_COLOR; in a pipe it writes plain text, and wraps nothing."""
    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 200)


def say(text: str, style: str | None = None) -> None:
    """A message for people, as it is."""
    console().print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def no_output_of_jobs() -> Iterator[None]:
    """Sends what a job's own code prints in this process to standard error: standard output is for the document."""
    with redirect_stdout(sys.stderr):
        yield


def print_document(document: BaseModel) -> None:
    """The one JSON document of a command, for programs."""
    sys.stdout.write(document.model_dump_json(indent=2) + "\n")
    sys.stdout.flush()
