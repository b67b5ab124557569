"""Detects that this process did not run for a while: a closed laptop, a stopped process.

Attempts lost in such a pause are no service's fault, and do not count against a task.
"""

from __future__ import annotations

from collections.abc import Callable

TICK_S = 1.0
PAUSE_S = 5.0
"""A gap between two ticks that counts as a pause: no step of the driver takes that long."""


class Pulse:
    """Compares the time that has passed with the time that should have.

    Args:
        now: the clock for waiting, which may stand still while the machine sleeps.
        wall: the clock for people, which does not.
        away: called with the length of each pause, in seconds.

    Attributes:
        missed_s: the part of all pauses that the clock for waiting has counted; no limit may count
            it.
    """

    def __init__(
        self,
        now: Callable[[], float],
        wall: Callable[[], float],
        away: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._away = away
        self._now = now
        self._wall = wall
        self._last_now, self._last_wall = now(), wall()
        self._woke = float("-inf")
        self.missed_s = 0.0

    def beat(self) -> float:
        """Tick; return the length of a pause of this process in seconds, or 0."""
        now, wall = self._now(), self._wall()
        passed = now - self._last_now
        gap = max(passed, wall - self._last_wall)
        self._last_now, self._last_wall = now, wall
        if gap <= PAUSE_S:
            return 0.0
        self._woke = now
        self.missed_s += passed
        self._away(gap)
        return gap

    def awake(self) -> float:
        """Return the time for waiting, without the pauses of this process."""
        self.beat()
        return self._now() - self.missed_s

    def excuses(self, started: float, within_s: float) -> bool:
        """Return whether a loss now is the effect of a pause.

        Args:
            started: when the lost attempt began, by `now`.
            within_s: how long after a pause losses are its effect.
        """
        self.beat()
        return started <= self._woke and self._now() - self._woke <= within_s
