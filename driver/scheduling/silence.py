"""A time-out of silence that each event restarts, and that ignores pauses of this process.

`asyncio.timeout` would not do: after a pause of this process it is due at once, and cancels the
reading of events that already lie in the socket.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from driver.scheduling.pulse import PAUSE_S
from mapreduce.errors import TaskLost


class Silence:
    """Cancels the block of its `async with` after too long a silence, with `TaskLost`.

    Args:
        limit_s: how long a silence may be.
        who: the endpoint, for the message.
    """

    def __init__(self, limit_s: float, who: str) -> None:
        self._limit_s = limit_s
        self._who = who
        self._too_long = False

    async def __aenter__(self) -> Silence:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._loop = asyncio.get_running_loop()
        self.heard()
        self._wait(self._limit_s)
        return self

    def heard(self) -> None:
        """Restart the time-out."""
        self._last = self._loop.time()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if (
            self._too_long
            and kind is asyncio.CancelledError
            and self._task.uncancel() <= self._cancelling
        ):
            raise TaskLost(f"{self._who} said nothing for {self._limit_s:g} s") from exc

    def _wait(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        # a late timer means that this process was suspended: the silence starts anew
        if now - self._due > PAUSE_S:
            self._last = now
        left = self._last + self._limit_s - now
        if left > 0:
            self._wait(left)
        else:
            self._too_long = True
            self._task.cancel()
