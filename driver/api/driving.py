"""Runs a coroutine to its end for a caller that waits, also one with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")
TICK_S = 0.2
"""Seconds between two looks at a run in another thread."""


def drive(main: Coroutine[Any, Any, Found], tick: Callable[[], None]) -> Found:
    """Return the result of a coroutine.

    Where an event loop runs in this thread already, as in a notebook, another thread runs the
    coroutine, and `tick` is called here while it does. Ctrl-C cancels the coroutine and waits for
    its end; a second one does not wait.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main)
    return _InThread(main).result(tick)


class _InThread(Generic[Found]):
    """A coroutine in a thread of its own."""

    def __init__(self, main: Coroutine[Any, Any, Found]) -> None:
        self._main = main
        self._began = threading.Event()
        self._ended = threading.Event()
        self._results: list[Found] = []
        self._error: BaseException | None = None
        self._task: asyncio.Task[Any] | None = None
        context = contextvars.copy_context()  # a notebook sends what is printed by its context
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="run")

    def result(self, tick: Callable[[], None]) -> Found:
        """Start the thread, and return the coroutine's result."""
        self._thread.start()
        try:
            self._wait(tick)
        except BaseException:
            self._cancel()
            self._wait(tick)
            raise
        if self._error is not None:
            raise self._error
        return self._results[0]

    def _wait(self, tick: Callable[[], None]) -> None:
        # no join(): one that Ctrl-C interrupts leaves the thread marked as stopped (Python 3.11)
        while not self._ended.wait(TICK_S):
            with suppress(Exception):  # what only shows the run must not end it
                tick()
        with suppress(Exception):
            tick()

    def _cancel(self) -> None:
        self._began.wait()
        if self._task is not None:
            with suppress(RuntimeError):  # the loop is closed: the run is over
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            self._results.append(asyncio.run(self._entered()))
        except BaseException as exc:  # noqa: BLE001 - the caller's thread raises it
            self._error = exc
        finally:
            self._began.set()
            self._ended.set()

    async def _entered(self) -> Found:
        self._task = asyncio.current_task()
        self._began.set()
        return await self._main
