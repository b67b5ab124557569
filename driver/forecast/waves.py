"""How long a stage takes when its tasks share slots, as the scheduler hands them out. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable


def stage_wall_s(tasks_s: Iterable[float], slots: int) -> float:
    """Return the seconds until all tasks are done, the largest first on each slot that is free.

    Never less than the longest task, nor than the sum over the slots; never more than both added.
    """
    if slots < 1:
        raise ValueError(f"{slots} slots: a stage needs at least one")
    free_at = [0.0] * slots
    end = 0.0
    for seconds in sorted(tasks_s, reverse=True):
        done = heapq.heappop(free_at) + seconds
        heapq.heappush(free_at, done)
        end = max(end, done)
    return end


def waves(tasks: int, slots: int) -> int:
    """Return in how many turns the slots do the tasks."""
    return -(-tasks // max(1, slots))
