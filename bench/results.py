"""The measurements, one JSON line each, so that an interrupted benchmark resumes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

Status = Literal["ok", "wrong", "failed", "missing"]
Key = tuple[str, str, str, str, int, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One measurement; `code` is the state of the measured code, `figures` the command's own
    report.
    """

    case: str
    contender: str
    variant: str
    corpus: str
    repeat: int
    code: str
    status: Status
    why: str = ""
    size_bytes: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_bytes: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    at: str = ""

    @property
    def key(self) -> Key:
        """The identity of the measurement; a later record with the same key replaces it."""
        return self.case, self.contender, self.variant, self.corpus, self.repeat, self.code


class Results:
    """The measurements in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._records = {record.key: record for record in _read(path)}

    @property
    def records(self) -> tuple[Record, ...]:
        """All measurements, the last of each key."""
        return tuple(self._records.values())

    def add(self, record: Record) -> None:
        """Write a measurement before the next one begins."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")
        self._records[record.key] = record

    def done(self, key: Key) -> bool:
        """Return whether this was measured with the right answer; failures are repeated."""
        return key in self._records and self._records[key].status == "ok"

    def spent_s(self, key: Key) -> float:
        """Return the wall seconds of all repeats of a measurement, of this state of the code."""
        case, contender, variant, corpus, _, code = key
        of = (case, contender, variant, corpus, code)
        return sum(
            each.wall_s
            for each in self._records.values()
            if (each.case, each.contender, each.variant, each.corpus, each.code) == of
        )

    def forget(self, cases: Iterable[str]) -> None:
        """Remove the measurements of these cases from the file."""
        gone = set(cases)
        self._records = {
            key: record for key, record in self._records.items() if record.case not in gone
        }
        self._path.unlink(missing_ok=True)
        for record in list(self._records.values()):
            self.add(record)


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians over the repeats of one contender in one variant of a case."""

    status: Status
    why: str
    repeats: int
    size_bytes: int
    wall_s: float
    least_wall_s: float
    most_wall_s: float
    cpu_s: float
    peak_bytes: int
    figures: dict[str, float]

    @property
    def bytes_per_s(self) -> float:
        """Throughput of the whole command, including its start-up."""
        return self.size_bytes / self.wall_s

    @property
    def warm_s(self) -> float:
        """Seconds without the start-up, if the command reports them; else the whole command's."""
        return self.figures.get("inner_s", self.wall_s)


def summarise(records: Iterable[Record]) -> Summary | None:
    """Return the summary of one contender's repeats, or None; one wrong answer or failure marks
    all.
    """
    known = list(records)
    if not known:
        return None
    for status in ("wrong", "failed", "missing"):
        bad = [record for record in known if record.status == status]
        if bad:
            return Summary(status, bad[-1].why, len(known), known[0].size_bytes, 0, 0, 0, 0, 0, {})
    walls = [record.wall_s for record in known]
    names = set.intersection(*(set(record.figures) for record in known))
    return Summary(
        status="ok",
        why="",
        repeats=len(known),
        size_bytes=known[0].size_bytes,
        wall_s=median(walls),
        least_wall_s=min(walls),
        most_wall_s=max(walls),
        cpu_s=median(record.cpu_s for record in known),
        peak_bytes=int(median(record.peak_bytes for record in known)),
        figures={name: median(record.figures[name] for record in known) for name in sorted(names)},
    )


def _read(path: Path) -> list[Record]:
    """Return the file's records, and remove a last line that an interruption has cut off."""
    if not path.exists():
        return []
    whole, _, cut_off = path.read_text(encoding="utf-8").rpartition("\n")
    if cut_off:
        path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    return [Record(**json.loads(line)) for line in whole.splitlines()]
