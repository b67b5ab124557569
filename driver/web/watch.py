"""Reads what pages show: once for all pages that show the same, and only while there are any."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from driver.web.changes import Message, Sections, message

LEAST_PAUSE_S = 0.5
"""Between two readings: a page gets at most two messages a second."""
PAUSE_FACTOR = 4.0
"""A reading that takes long is followed by a pause of so many times its length."""
MOST_PAUSE_S = 30.0


@dataclass(frozen=True)
class Reading:
    """What a page shows now; `over`: it will not change any more."""

    sections: Sections
    over: bool = False


Read = Callable[[], Reading]


def pause_s(took_s: float, least_s: float = LEAST_PAUSE_S) -> float:
    """Return how long to wait after a reading, so that one processor is mostly idle."""
    return min(max(least_s, took_s * PAUSE_FACTOR), MOST_PAUSE_S)


class Watch:
    """Reads one thing again and again, and wakes the pages that show it."""

    def __init__(self, read: Read, least_pause_s: float) -> None:
        self._read = read
        self._least_pause_s = least_pause_s
        self._news = asyncio.Condition()
        self._latest: Reading | None = None

    async def follow(self) -> None:
        """Read until it is over; after a reading that fails, the next one follows."""
        while self._latest is None or not self._latest.over:
            started = time.monotonic()
            reading = self._latest
            with suppress(Exception):  # a store that does not answer ends no page
                reading = await asyncio.to_thread(self._read)
            if reading != self._latest:
                async with self._news:
                    self._latest = reading
                    self._news.notify_all()
            await asyncio.sleep(pause_s(time.monotonic() - started, self._least_pause_s))

    async def messages(self, shown: str) -> AsyncIterator[Message]:
        """Yield what a page lacks until it is over.

        Args:
            shown: the id of what the page shows.
        """
        while True:
            reading = await self._reading_beyond(shown)
            found = message(reading.sections, shown)
            if found is not None:
                shown = found.id
                yield found
            if reading.over:
                return

    async def _reading_beyond(self, shown: str) -> Reading:
        """Wait for a reading that differs from what a page shows, or is the last one."""
        async with self._news:
            while True:
                latest = self._latest
                if latest and (latest.over or message(latest.sections, shown)):
                    return latest
                await self._news.wait()


class Watches:
    """The watches of a server, by what they read; one without pages ends."""

    def __init__(self, least_pause_s: float = LEAST_PAUSE_S) -> None:
        self._least_pause_s = least_pause_s
        self._open: dict[Hashable, tuple[Watch, asyncio.Task[None]]] = {}
        self._pages: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    @asynccontextmanager
    async def watch(self, name: Hashable, read: Read) -> AsyncIterator[Watch]:
        """Share the watch of this name, or begin it with `read`."""
        if name not in self._open:
            begun = Watch(read, self._least_pause_s)
            self._open[name] = (begun, asyncio.create_task(begun.follow()))
        self._pages[name] = self._pages.get(name, 0) + 1
        try:
            yield self._open[name][0]
        finally:
            self._pages[name] -= 1
            if not self._pages[name]:
                del self._pages[name]
                _, task = self._open.pop(name)
                task.cancel()
