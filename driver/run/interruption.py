"""Ends a run from outside of its tasks: by a signal, by `cancel`, or because its lease is gone."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from driver.plan.target import Target
from mapreduce.errors import MapReduceError, RunStopped

Result = TypeVar("Result")
AGAIN = "the same command goes on where it stopped"
_ANEW = "the same command does it again from the beginning: Spark keeps nothing"


def again_on(target: Target) -> str:
    """Return what the same command does after the end of a run on a target."""
    return _ANEW if target == "spark" else AGAIN


class Interruption:
    """Cancels the task that carries out a run, and knows why.

    Make it in that task.

    Args:
        again: what the same command does afterwards.

    Attributes:
        why: the error with which the run ends; None while it goes on, and after Ctrl-C, which
            Python reports by itself.
    """

    def __init__(self, again: str = AGAIN) -> None:
        self.why: MapReduceError | None = None
        self._again = again
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()

    def stop(self, why: MapReduceError) -> None:
        """End the run with an error; any thread may call this, and the first error counts."""
        with suppress(RuntimeError):  # the loop is closed: the run is over
            self._loop.call_soon_threadsafe(self._stop, why)

    def _stop(self, why: MapReduceError) -> None:
        if self.why is None and self._task is not None:
            self.why = why
            self._task.cancel()

    @contextmanager
    def of_signals(self) -> Iterator[None]:
        """Within the block, SIGTERM ends the run as Ctrl-C does; a handler of the program that
        runs the driver is back afterwards.
        """
        stopped = RunStopped(f"ended by SIGTERM; {self._again}")
        before = signal.getsignal(signal.SIGTERM)
        # only the main thread can set it
        with suppress(NotImplementedError, RuntimeError, ValueError):
            self._loop.add_signal_handler(signal.SIGTERM, self._stop, stopped)
        try:
            with self.explained():
                yield
        finally:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                if self._loop.remove_signal_handler(signal.SIGTERM) and before is not None:
                    signal.signal(signal.SIGTERM, before)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise the error that has ended the run, instead of the cancellation of its task."""
        try:
            yield
        except asyncio.CancelledError:
            if self.why is None or self._task is None:
                raise
            self._task.uncancel()
            raise self.why from None


async def completed(work: Awaitable[Result]) -> Result:
    """Return the result of work that goes on in a thread whatever happens to the run, so that an
    interruption takes effect when it is complete.
    """
    going = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(going)
    except asyncio.CancelledError:
        await asyncio.wait([going])
        raise
