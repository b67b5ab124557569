"""One reading for all pages that show the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from driver.web.changes import Message, shown_id
from driver.web.watch import MOST_PAUSE_S, Reading, Watches, pause_s

NO_PAUSE_S = 0.0


class _Counter:
    """Reads 0, 1, 2 ... and is over at `last`; can fail on the way."""

    def __init__(self, last: int, fails: Callable[[int], bool] = lambda _: False) -> None:
        self.calls = 0
        self._last = last
        self._fails = fails

    def __call__(self) -> Reading:
        self.calls += 1
        if self._fails(self.calls):
            raise OSError("the store is away")
        count = min(self.calls, self._last)
        return Reading({"a": str(count), "b": "same"}, over=count == self._last)


async def _page(watches: Watches, read: Callable[[], Reading], shown: str = "") -> list[Message]:
    async with watches.watch("run", read) as watch:
        return [message async for message in watch.messages(shown)]


def _pages(read: Callable[[], Reading], shown: str = "", count: int = 1) -> list[list[Message]]:
    async def both() -> list[list[Message]]:
        watches = Watches(NO_PAUSE_S)
        found = await asyncio.gather(*(_page(watches, read, shown) for _ in range(count)))
        assert 0 == len(watches)
        return found

    return asyncio.run(both())


def test_a_page_ends_with_what_was_read_last() -> None:
    """The first message has all sections, later ones what has changed, and the last one the end."""
    [messages] = _pages(_Counter(3))
    assert ("a", "b") == messages[0].names
    assert all(("a",) == message.names for message in messages[1:])
    assert shown_id({"a": "3", "b": "same"}) == messages[-1].id


def test_pages_share_one_watch() -> None:
    """Ten pages of a run cost as many readings as one."""
    read = _Counter(3)
    assert 10 == len(_pages(read, count=10))
    assert 3 == read.calls


def test_a_page_that_comes_back_after_the_end_is_sent_nothing() -> None:
    """A page that shows the end is not sent it again, and its stream ends."""
    assert [[]] == _pages(_Counter(1), shown_id({"a": "1", "b": "same"}))


def test_a_store_that_fails_for_a_time_ends_no_page() -> None:
    """After readings that fail the next ones go on."""
    [messages] = _pages(_Counter(5, fails=lambda call: call in (1, 3)))
    assert shown_id({"a": "5", "b": "same"}) == messages[-1].id


def test_a_watch_without_pages_ends() -> None:
    """Nothing is read when the last page is gone."""

    async def leave() -> int:
        watches, read = Watches(NO_PAUSE_S), _Counter(1_000_000)
        async with watches.watch("run", read) as watch:
            async for _ in watch.messages(""):
                break
        await asyncio.sleep(0)
        return len(watches)

    assert 0 == asyncio.run(leave())


def test_a_slow_reading_is_followed_by_a_long_pause() -> None:
    """Readings take at most a fifth of the time, and come twice a second at most."""
    assert 0.5 == pause_s(0.0)
    assert 4.0 == pause_s(1.0)
    assert 5.0 == pause_s(0.1, least_s=5.0)
    assert MOST_PAUSE_S == pause_s(1000.0)
