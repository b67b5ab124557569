"""How far a long command is, on standard error: a bar in a terminal, a line every 5 s elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from driver.cli.terminal import say
from driver.report.standard_error import console
from driver.text import plural

LINE_EVERY_S = 5.0

Tell = Callable[[str, int], None]
"""Called with a step's noun, e.g. `record read`, and how many are done."""


class Lines:
    """A line at the first call after each `LINE_EVERY_S`.

    Args:
        name: of the command.
        totals: how many each noun will reach, where known.
        now: the time, in seconds.
    """

    def __init__(
        self, name: str, totals: dict[str, int], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._totals = totals
        self._now = now
        self._said = now()

    def __call__(self, noun: str, done: int) -> None:
        """Show how far a step is, if it is time for a line."""
        if self._now() - self._said >= LINE_EVERY_S:
            self._said = self._now()
            say(f"{self._name}: {progress_text(noun, done, self._totals.get(noun))}")


@contextmanager
def progress(name: str, totals: dict[str, int]) -> Iterator[Tell]:
    """Yield what shows progress during the block; a bar disappears at its end.

    Args:
        name: of the command.
        totals: how many each noun will reach, where known.
    """
    shown = console()
    if not shown.is_terminal:
        yield Lines(name, totals)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[text]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=shown, transient=True) as bars:
        bar = bars.add_task(name, total=None, text="")

        def tell(noun: str, done: int) -> None:
            total = totals.get(noun)
            bars.update(bar, completed=done, total=total, text=progress_text(noun, done, total))

        yield tell


def progress_text(noun: str, done: int, total: int | None) -> str:
    """Return e.g. `12,000 of 70,000 records read`, for the noun `record read`."""
    what, _, verb = noun.partition(" ")
    counted = plural(done, what) if total is None else f"{done:,} of {plural(total, what)}"
    return f"{counted} {verb}"
