"""What ends a run from outside: the first reason counts, and it is the error that is raised."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from driver.run.interruption import Interruption, completed
from mapreduce.errors import RunStopped


def test_the_first_reason_counts() -> None:
    """Of several reasons the first is raised, and the task can go on to wait afterwards."""
    first = RunStopped("first")

    async def run() -> None:
        interruption = Interruption()
        with pytest.raises(RunStopped, match="first"), interruption.explained():
            interruption.stop(first)
            interruption.stop(RunStopped("second"))
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        assert interruption.why is first

    asyncio.run(run())


def test_sigterm_ends_the_run() -> None:
    """SIGTERM is an end like Ctrl-C; after the block it has its old meaning again."""

    async def run() -> None:
        interruption = Interruption()
        with interruption.of_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()

    with pytest.raises(RunStopped, match="SIGTERM; the same command goes on"):
        asyncio.run(run())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_the_programs_own_handler_is_back() -> None:
    """A program that runs the driver has its handler of SIGTERM again after the run."""

    def own(*_: object) -> None: ...

    async def run() -> None:
        with Interruption().of_signals():
            assert signal.getsignal(signal.SIGTERM) is not own

    before = signal.signal(signal.SIGTERM, own)
    try:
        asyncio.run(run())
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_cancellation_stays_one() -> None:
    """A cancellation that nothing here has asked for, such as Ctrl-C, is not explained."""

    async def run() -> None:
        with Interruption().explained():
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run())


def test_a_reason_after_the_end_is_nothing() -> None:
    """A thread that asks for the end after the run is over does no harm."""

    async def run() -> Interruption:
        return Interruption()

    interruption = asyncio.run(run())
    interruption.stop(RunStopped("too late"))
    assert interruption.why is None


def test_work_that_goes_on_is_completed() -> None:
    """An interruption takes effect after work that a thread goes on with; its error too."""
    done: list[str] = []

    async def work() -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        done.append("done")
        return "result"

    async def run() -> None:
        assert await completed(work()) == "result"
        interruption = Interruption()
        with pytest.raises(RunStopped), interruption.explained():
            interruption.stop(RunStopped("now"))
            await completed(work())
        assert ["done", "done"] == done

    asyncio.run(run())
