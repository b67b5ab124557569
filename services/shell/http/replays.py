"""Which tokens a service has seen: each is good once, so that a request that was overheard cannot be sent again."""

from __future__ import annotations

import heapq

LIMIT = 100_000


class ReplayGuard:
    """The numbers of the tokens that were accepted and have not ended yet; no others, and never more than a limit.

    One process's own: after a restart it knows nothing, and no other service knows what it knows.

    Args:
        limit: numbers to know at most. Beyond it nothing is accepted until some end; to forget one early would be to
            accept it again.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._seen: set[str] = set()
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._seen)

    def accept(self, number: str, expires: float, now: float) -> bool:
        """Whether the number is seen for the first time.

        Args:
            number: a token's own, from a token that was found good.
            expires: when that token ends.
            now: the time, on the same clock.

        Raises:
            Crowded: the limit is reached.
        """
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
    """More requests a minute than can be remembered."""
