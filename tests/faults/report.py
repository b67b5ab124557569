"""The table of a suite, for the terminal, for a program, and for the documentation."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tests.faults.fault import Fault
from tests.faults.suite import Row

BEGIN, END = "<!-- faults -->", "<!-- /faults -->"
HEADINGS = (
    "fault",
    "what is done",
    "runs",
    "faults injected",
    "survived",
    "failed loudly",
    "wrong answers",
    "leaked processes",
    "time against a quiet run",
)


@dataclass(frozen=True, slots=True)
class Line:
    """One fault's line of the table. `slower` is the median time over that without the fault."""

    fault: str
    says: str
    expected: str
    runs: int
    injected: int
    survived: int
    failed_loudly: int
    wrong_answers: int
    leaked_processes: int
    slower: float | None
    complaints: tuple[str, ...]
    skipped: bool

    @property
    def cells(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        if self.skipped:
            return (
                self.fault,
                self.says,
                f"skipped: {'; '.join(self.complaints)}",
                "",
                "",
                "",
                "",
                "",
                "",
            )
        counts = (
            self.runs,
            self.injected,
            self.survived,
            self.failed_loudly,
            self.wrong_answers,
            self.leaked_processes,
        )
        slower = "" if self.slower is None else f"{self.slower:.1f} x"
        return (self.fault, self.says, *map(str, counts), slower)


def lines_of(rows: Sequence[Row], faults: Mapping[str, type[Fault]]) -> list[Line]:
    """Return one line for each fault."""
    return [
        _line(kind, [row for row in rows if row.fault == name]) for name, kind in faults.items()
    ]


def _line(kind: type[Fault], rows: Sequence[Row]) -> Line:
    ran = [row for row in rows if row.quiet_s]
    return Line(
        fault=kind.name,
        says=kind.says,
        expected=kind.expected,
        runs=len(ran),
        injected=sum(len(row.injections) for row in ran),
        survived=sum(row.verdict == "survived" for row in ran),
        failed_loudly=sum(row.verdict == "failed loudly" for row in ran),
        wrong_answers=sum(row.verdict == "wrong answer" for row in ran),
        leaked_processes=sum(len(row.leaked) for row in ran),
        slower=median(row.seconds / row.quiet_s for row in ran) if ran else None,
        complaints=tuple(
            dict.fromkeys(
                text for row in rows for text in (*row.complaints, *row.leaked, *row.leftovers)
            )
        ),
        skipped=all(row.verdict == "skipped" for row in rows),
    )


def text_table(lines: Sequence[Line]) -> str:
    """Return the table for a terminal."""
    shown = [HEADINGS[:1] + HEADINGS[2:], *(line.cells[:1] + line.cells[2:] for line in lines)]
    widths = [
        max(len(row[column]) for row in shown if len(row) > column)
        for column in range(len(shown[0]))
    ]
    widths[1] = 6
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in shown
    )


def write_json(path: Path, rows: Sequence[Row], lines: Sequence[Line], seed: int) -> None:
    """Write every trial, and the table."""
    document = {
        "machine": machine(),
        "seed": seed,
        "table": list(map(asdict, lines)),
        "trials": list(map(asdict, rows)),
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def read_json(path: Path) -> list[Row]:
    """Return the trials that `write_json` has written."""
    lists = ("injections", "complaints", "leaked", "leftovers")
    trials = json.loads(path.read_text())["trials"]
    return [Row(**(trial | {name: tuple(trial[name]) for name in lists})) for trial in trials]


def write_markdown(path: Path, lines: Sequence[Line]) -> None:
    """Write the table between the markers of a page."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{path} has no {BEGIN} ... {END}"
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(line.cells for line in lines)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    runs, injected = sum(line.runs for line in lines), sum(line.injected for line in lines)
    when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    words = (
        f"{when}, {machine()}; {runs} runs with {injected} faults in them, "
        f"{sum(line.wrong_answers for line in lines)} wrong answers, "
        f"{sum(line.leaked_processes for line in lines)} leaked processes."
    )
    path.write_text(f"{before}{BEGIN}\n{words}\n\n{table}\n{END}{after}", encoding="utf-8")


def machine() -> str:
    """Return the machine of the measurements."""
    release = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{os.cpu_count()} cores, {release}, Python {platform.python_version()}"
