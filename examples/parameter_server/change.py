"""Wake tasks of one event loop that wait for a change."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Change:
    """Something that tasks wait for, again and again."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def tell(self) -> None:
        """Wake all tasks that wait now."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self, timeout_s: float) -> None:
        """Wait for the next change, but no longer than some seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), max(0.0, timeout_s))
