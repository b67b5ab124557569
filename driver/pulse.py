"""Notices that this process did not run for a while: a laptop that was closed, a process that was stopped.

What was lost in such a time is no service's fault, and not counted against a task.
"""

from __future__ import annotations

from collections.abc import Callable

TICK_S = 1.0
PAUSE_S = 5.0
"""After so long between two ticks the process has been away: no step of the driver takes that time."""


class Pulse:
    """Compares the time that has passed with the time that should have.

    Args:
        now: the clock for waiting, which may stand still while the machine sleeps.
        wall: the clock for people, which does not.
    """

    def __init__(self, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._now = now
        self._wall = wall
        self._last_now, self._last_wall = now(), wall()
        self._woke = float("-inf")

    def beat(self) -> float:
        """Tick; return how many seconds this process was away, or 0."""
        now, wall = self._now(), self._wall()
        gap = max(now - self._last_now, wall - self._last_wall)
        self._last_now, self._last_wall = now, wall
        if gap <= PAUSE_S:
            return 0.0
        self._woke = now
        return gap

    def excuses(self, started: float, within_s: float) -> bool:
        """Return whether a loss now is the fault of a pause.

        Args:
            started: when what is lost began, by `now`.
            within_s: how long after a pause losses are its fault.
        """
        self.beat()
        return started <= self._woke and self._now() - self._woke <= within_s
