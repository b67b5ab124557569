"""One step of an examination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mapreduce.errors import MapReduceError


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: its name, whether it works, what was seen, and the remedy if it does not.

    With `final`, it will not work by itself either. `admit` is an address: it would work if the
    stack admitted it.
    """

    step: str
    ok: bool
    seen: str
    remedy: str = ""
    final: bool = False
    admit: str = ""


def guarded(step: str, check: Callable[[], str], remedy: str) -> Finding:
    """Return the finding of a check that returns what it saw, or raises."""
    try:
        return Finding(step, True, check())
    except MapReduceError as exc:
        return Finding(step, False, str(exc), remedy)
