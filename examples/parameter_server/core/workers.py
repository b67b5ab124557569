"""Which workers there are: those heard of lately."""

from __future__ import annotations

SILENT_S = 10.0
"""A worker that was not heard of for so long is not counted."""


class Workers:
    """The workers by name, with the time at which each was last heard of."""

    def __init__(self) -> None:
        self._heard_at_s: dict[str, float] = {}
        self._ordinals: dict[str, int] = {}

    def hear(self, worker: str, now_s: float) -> int:
        """Count a worker; return its place in the order of first calls."""
        self._heard_at_s[worker] = now_s
        return self._ordinals.setdefault(worker, len(self._ordinals))

    def leave(self, worker: str) -> None:
        """Count a worker no more."""
        self._heard_at_s.pop(worker, None)

    def count(self, now_s: float) -> int:
        """Return how many workers there are."""
        for worker, at_s in [*self._heard_at_s.items()]:
            if now_s - at_s > SILENT_S:
                del self._heard_at_s[worker]
        return len(self._heard_at_s)
