"""The index of runs: what `runs` shows of a run that is over, in the key of an empty object.

One list of the store's folder `index/` so answers for a thousand runs. The index repeats what the
records of each run say; a run without an entry is read from its records.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

from driver.text import storable
from mapreduce.errors import EndState

VERSION = 1
JOB_BYTES = 60
"""The longest name of a job in an entry: the name of a local file has at most 255 bytes."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run that is over.

    Attributes:
        state: how it has ended.
        created: when it was planned, in seconds since the epoch.
        seconds: how long it took.
        usd: its price in dollars; None when it is not known.
        inputs: how many objects it read.
        size_bytes: their size.
        target: where it ran.
        job: the name of its job.
    """

    state: EndState
    created: float
    seconds: float
    usd: float | None
    inputs: int
    size_bytes: int
    target: str
    job: str

    def encoded(self) -> str:
        """Return the entry: letters, digits, - and _ alone."""
        values = [VERSION, *astuple(self)]
        values[-1] = _cut(storable(self.job))
        values[2:5] = round(self.created, 3), round(self.seconds, 3), self.usd
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decoded(entry: str) -> RunSummary | None:
    """Return the summary in an entry; None when this version has not written it."""
    try:
        padded = entry.encode("ascii") + b"=" * (-len(entry) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(values, list) or values[:1] != [VERSION]:
        return None
    values = values[1:]
    if len(values) != len(_CHECKS) or not all(
        check(value) for check, value in zip(_CHECKS, values, strict=True)
    ):
        return None
    return RunSummary(*values)


def by_run(entries: Iterable[str]) -> dict[str, RunSummary]:
    """Return the summaries in an index, whose keys are `<run>/<entry>`; the last one counts
    where a run has several.
    """
    found = {}
    for key in entries:
        run, _, entry = key.partition("/")
        if summary := decoded(entry):
            found[run] = summary
    return found


def _cut(name: str) -> str:
    return name.encode()[:JOB_BYTES].decode(errors="ignore")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_CHECKS: tuple[Callable[[Any], bool], ...] = (
    lambda state: state in ("done", "failed", "interrupted", "paused"),
    _is_number,
    _is_number,
    lambda usd: usd is None or _is_number(usd),
    _is_count,
    _is_count,
    _is_text,
    _is_text,
)
assert len(_CHECKS) == len(fields(RunSummary))
