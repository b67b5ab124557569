"""The table of `runs`: as many columns as the terminal has place for, the most useful ones first.

A column that does not fit is left out, and none is squeezed. Pure.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from driver.history.run_list import ListedRun
from driver.text import CELL_LIMIT, NAME_LIMIT, bytes_text, shown

GAP = "  "
_MOST_USEFUL = ("run", "state", "took", "input", "job", "when", "price", "target")
_RIGHT = frozenset({"took", "input", "price"})


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        return max(map(cell_len, (self.title, *self.cells)))


def table_lines(runs: Sequence[ListedRun], width: int | None) -> list[str]:
    """Return the lines of the table.

    Args:
        runs: the rows.
        width: columns of the terminal; None for any number.
    """
    columns: dict[str, list[str]] = {
        "run": [shown(run.run, NAME_LIMIT) for run in runs],
        "state": [run.state for run in runs],
        "when": [when(run.created) for run in runs],
        "took": [took(run.seconds) for run in runs],
        "price": [price(run.usd) for run in runs],
        "input": [bytes_text(run.size_bytes) if run.inputs else "" for run in runs],
        "job": [shown(run.job, CELL_LIMIT) for run in runs],
        "target": [run.target for run in runs],
    }
    made = {title: _Column(title, tuple(cells)) for title, cells in columns.items()}
    fitting = _fitting(made, width)
    rows = zip(*(_padded(made[title]) for title in columns if title in fitting), strict=True)
    return [GAP.join(row).rstrip() for row in rows]


def _fitting(made: dict[str, _Column], width: int | None) -> set[str]:
    """Return the columns with content that fit; the first one is always there."""
    fitting: set[str] = set()
    left = width
    for title in _MOST_USEFUL:
        column = made[title]
        if not any(column.cells):
            continue
        needed = column.width + (len(GAP) if fitting else 0)
        if left is not None:
            if fitting and needed > left:
                continue
            left -= needed
        fitting.add(title)
    return fitting


def _padded(column: _Column) -> list[str]:
    texts = [column.title, *column.cells]
    spaces = [" " * (column.width - cell_len(text)) for text in texts]
    if column.title in _RIGHT:
        return [space + text for space, text in zip(spaces, texts, strict=True)]
    return [text + space for space, text in zip(spaces, texts, strict=True)]


def when(created: float) -> str:
    """Return the local time; "" for a time outside the calendar."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(created)) if created else ""
    except (ValueError, OverflowError, OSError):
        return ""


def took(seconds: float | None) -> str:
    """Return a duration, e.g. `4.2 s`, `3:07` or `1:02:03`; "" for an unknown one."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def price(usd: float | None) -> str:
    """Return a price, of small ones two digits; "" for an unknown one."""
    if usd is None:
        return ""
    if usd >= 0.01:
        return f"${usd:,.2f}"
    return f"${usd:.4f}" if usd >= 0.0001 else "<$0.0001"
