"""Limit log lines that clients without a key can cause: one of a kind per period, with a count."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

EVERY_S = 60.0
KINDS = 100
"""Kinds of lines that are told apart; beyond them all count as one."""
_LOGGERS = ("uvicorn", "asyncio", "services.connections", "services.workers")
"""Loggers whose lines clients without the key can cause: the server, its connections, its workers.
"""


@dataclass(slots=True)
class _Kind:
    said_at: float
    left_out: int = 0


class Throttle:
    """Passes one line of a kind per period.

    Args:
        every_s: the period.
        kinds: how many kinds are told apart.
    """

    def __init__(self, every_s: float = EVERY_S, kinds: int = KINDS) -> None:
        self._every_s = every_s
        self._most = kinds
        self._kinds: dict[str, _Kind] = {}

    def left_out(self, kind: str, now: float) -> int | None:
        """Return how many lines of the kind were dropped before this one, or None if it is dropped
        too.
        """
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
        throttle: counts the lines.
        clock: returns the time in seconds.
    """

    def __init__(self, throttle: Throttle, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._throttle = throttle
        self._clock = clock

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line is logged; add the number of dropped ones to its text."""
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
