"""An event loop whose clock jumps to the next timer, so that hours of a run take milliseconds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any


class Stuck(Exception):
    """No event is due any more, or the run exceeds the limit: it would hang."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Virtual seconds, from 0.

    Args:
        limit_s: a longer run counts as hanging.

    Attributes:
        turns: the number of iterations of the loop; a driver that waits makes few a second.
    """

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._limit_s = limit_s
        self.turns = 0

    def time(self) -> float:
        """Return the virtual time."""
        return self._virtual_s

    def jump(self, seconds: float) -> None:
        """Let time pass while no code of this process runs."""
        self._virtual_s += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function at once, because a thread needs real time."""
        future: asyncio.Future[Any] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - the caller gets it, as from a thread
            future.set_exception(exc)
        return future

    def _run_once(self) -> None:
        """Run one iteration; called by the loop itself."""
        self.turns += 1
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
            self._timer_cancelled_count = max(0, self._timer_cancelled_count - 1)  # type: ignore[has-type]
        if not self._ready:  # type: ignore[attr-defined]
            if not timers:
                raise Stuck("nothing is due any more")
            self._virtual_s = max(self._virtual_s, timers[0]._when)
            if self._virtual_s > self._limit_s:
                raise Stuck(f"the run has not ended after {self._limit_s:.0f} virtual seconds")
        super()._run_once()  # type: ignore[misc]


def run_virtually(loop: VirtualLoop, main: Any) -> Any:
    """Run a coroutine and the tasks that it leaves until they end; return its result.

    Raises:
        Stuck: it would hang.
    """
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
