"""Accept each token only once, so that an intercepted request cannot be sent again."""

from __future__ import annotations

import heapq

LIMIT = 100_000


class ReplayGuard:
    """The numbers of the accepted tokens that have not expired; never more than a limit.

    It belongs to one process: after a restart it is empty, and services do not share it.

    Args:
        limit: the most numbers kept. Beyond it nothing is accepted until some expire; forgetting
            one early would accept it again.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def accept(self, number: str, expires: float, now: float) -> bool:
        """Return whether the number is new, and remember it.

        Args:
            number: the number of a valid token.
            expires: when that token expires.
            now: the time, on the same clock.

        Raises:
            Crowded: the limit is reached.
        """
        # expired tokens are refused by their expiry, so their numbers can go
        while self._ends and self._ends[0][0] <= now:
            self._seen.discard(heapq.heappop(self._ends)[1])
        if number in self._seen:
            return False
        if len(self._seen) >= self._limit:
            raise Crowded
        self._seen.add(number)
        heapq.heappush(self._ends, (expires, number))
        return True


class Crowded(Exception):
    """More requests a minute than the guard can remember."""
