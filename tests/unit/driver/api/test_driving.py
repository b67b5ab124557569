"""A coroutine runs to its end, also where an event loop runs already."""

from __future__ import annotations

import asyncio
import threading
from typing import NoReturn

import pytest

from driver.api.driving import drive


def _nothing() -> None:
    """Do nothing."""


async def _answer() -> tuple[int, int]:
    await asyncio.sleep(0)
    return 42, threading.get_ident()


async def _fail() -> NoReturn:
    raise ValueError("no")


def test_without_a_loop_it_runs_here() -> None:
    """In a thread without a loop, the coroutine runs in it."""
    assert (42, threading.get_ident()) == drive(_answer(), _nothing)
    with pytest.raises(ValueError, match="no"):
        drive(_fail(), _nothing)


def test_with_a_loop_it_runs_in_a_thread() -> None:
    """Where a loop runs, another thread runs the coroutine, and errors come through."""

    async def caller() -> tuple[int, int]:
        with pytest.raises(ValueError, match="no"):
            drive(_fail(), _nothing)
        return drive(_answer(), _nothing)

    answer, thread = asyncio.run(caller())
    assert 42 == answer
    assert thread != threading.get_ident()


def test_an_interrupt_cancels_and_waits() -> None:
    """An interrupt cancels the coroutine, which ends its work before the interrupt goes on."""
    happened: list[str] = []

    async def work() -> None:
        try:
            happened.append("begun")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            happened.append("cleaned up")

    interrupts = iter([KeyboardInterrupt()])

    async def caller() -> None:
        drive(work(), _nothing)

    original = threading.Event.wait

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is not None and happened[:1] == ["begun"]:
            for each in interrupts:
                raise each
        return original(event, timeout)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(threading.Event, "wait", wait)
        asyncio.run(caller())
    assert happened.index("begun") < happened.index("cleaned up")


def test_a_look_that_fails_ends_nothing() -> None:
    """What shows the progress may fail."""

    def look() -> None:
        raise OSError("no display")

    async def caller() -> int:
        return drive(_answer(), look)[0]

    assert 42 == asyncio.run(caller())
