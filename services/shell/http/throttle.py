"""Log lines that strangers can cause: one of a kind in a while, with a count of those left out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

EVERY_S = 60.0
KINDS = 100
"""Kinds of lines to keep apart; beyond them all count as one."""
_LOGGERS = ("uvicorn", "asyncio", "services.connections", "services.workers")
"""Of the server, its connections and what they crowd out: what they say comes from callers without the key too."""


@dataclass(slots=True)
class _Kind:
    said_at: float
    left_out: int = 0


class Throttle:
    """Lets one line of a kind through in a while.

    Args:
        every_s: how long the others of its kind are left out after it.
        kinds: how many kinds are kept apart.
    """

    def __init__(self, every_s: float = EVERY_S, kinds: int = KINDS) -> None:
        self._every_s = every_s
        self._most = kinds
        self._kinds: dict[str, _Kind] = {}

    def left_out(self, kind: str, now: float) -> int | None:
        """Return how many lines of the kind were left out before this one, or None if it is left out as well."""
        kind = kind if kind in self._kinds or len(self._kinds) < self._most else ""
        known = self._kinds.get(kind)
        if known is not None and now - known.said_at < self._every_s:
            known.left_out += 1
            return None
        count = known.left_out if known is not None else 0
        self._kinds[kind] = _Kind(now)
        return count


class StrangersFilter(logging.Filter):
    """Applies a throttle to the loggers of the server and its connections.

    Args:
        throttle: counts.
        clock: the time in seconds.
    """

    def __init__(self, throttle: Throttle, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._throttle = throttle
        self._clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line is logged; the number of those before it is put into its text."""
        if not record.name.startswith(_LOGGERS):
            return True
        said = record.msg.get("event", "") if isinstance(record.msg, dict) else record.msg
        raised = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        count = self._throttle.left_out(f"{record.name} {raised} {str(said)[:200]}", self._clock())
        if count is None:
            return False
        if count and isinstance(record.msg, dict):
            record.msg["left_out"] = count
        elif count:
            record.msg = f"{record.msg} ({count} lines like this were left out)"
        return True
