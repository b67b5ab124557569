"""A limit on silence, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from driver.scheduling.silence import Silence
from mapreduce.errors import TaskLost
from tests.simulation.virtual_time import VirtualLoop, run_virtually


def _run(main: Coroutine[Any, Any, Any]) -> tuple[VirtualLoop, Any]:
    loop = VirtualLoop(1e6)
    return loop, run_virtually(loop, main)


def test_words_keep_it_alive() -> None:
    """Each sign of life restarts the limit."""

    async def talk() -> str:
        async with Silence(10.0, "mapper-0") as silence:
            for _ in range(50):
                await asyncio.sleep(9.0)
                silence.heard()
        return "heard"

    loop, result = _run(talk())
    assert "heard" == result
    assert loop.time() >= 450


def test_too_long_a_silence_is_a_lost_task() -> None:
    """Silence beyond the limit raises TaskLost with the endpoint's name."""

    async def wait() -> None:
        async with Silence(10.0, "mapper-0"):
            await asyncio.sleep(1e5)

    with pytest.raises(TaskLost, match="mapper-0 said nothing for 10 s"):
        _run(wait())


def test_a_pause_of_this_process_is_no_silence() -> None:
    """After a pause of this process the endpoint has the whole limit again."""

    async def pause(loop: VirtualLoop) -> str:
        async with Silence(10.0, "mapper-0") as silence:
            await asyncio.sleep(5.0)
            loop.jump(300.0)
            await asyncio.sleep(6.0)
            silence.heard()
            await asyncio.sleep(9.0)
        return "heard"

    loop = VirtualLoop(1e6)
    assert "heard" == run_virtually(loop, pause(loop))


def test_a_pause_does_not_hide_a_silence_for_ever() -> None:
    """An endpoint that stays silent after a pause is lost."""

    async def pause(loop: VirtualLoop) -> None:
        async with Silence(10.0, "mapper-0"):
            await asyncio.sleep(5.0)
            loop.jump(300.0)
            await asyncio.sleep(1e5)

    loop = VirtualLoop(1e6)
    with pytest.raises(TaskLost):
        run_virtually(loop, pause(loop))
    assert loop.time() < 5 + 300 + 2 * 10 + 1


def test_being_cancelled_is_not_taken_for_silence() -> None:
    """A cancelled attempt raises CancelledError, not TaskLost."""

    async def cancelled() -> None:
        async def wait() -> None:
            async with Silence(10.0, "mapper-0"):
                await asyncio.sleep(1e5)

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(1.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    _run(cancelled())
