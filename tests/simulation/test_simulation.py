"""Some hundreds of seeds, each a run of the real scheduler and pipeline in another world."""

from __future__ import annotations

import os

import pytest

from tests.simulation.simulate import simulate
from tests.simulation.virtual_time import Stuck, VirtualLoop, run_virtually
from tests.simulation.weather import drawn

SEEDS = int(os.environ.get("MAPREDUCE_TEST_SEEDS", "400"))
BATCH = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_seed_keeps_the_laws(first: int) -> None:
    """Each seed gives one outcome a task, unique names, no overfull slot, no open handle, and the
    right answer or our error in time.

    `python -m tests.simulation --seed N` repeats a seed that fails.
    """
    broken = {
        f"python -m tests.simulation --seed {verdict.seed}": verdict.broken
        for verdict in map(simulate, range(first, min(first + BATCH, SEEDS)))
        if verdict.broken
    }
    assert {} == broken


@pytest.mark.parametrize("seed", [6433, 9165])
def test_a_pause_is_no_silence_of_the_services(seed: int) -> None:
    """A driver that was suspended for minutes, and then gets one refusal from its only service,
    continues.
    """
    assert (simulate(seed).broken, simulate(seed).end) == ((), "answer")


def test_one_seed_is_one_run() -> None:
    """A seed always gives the same world, outcome and duration."""
    first, second = simulate(7), simulate(7)
    assert (first.end, first.virtual_s, first.struck) == (
        second.end,
        second.virtual_s,
        second.struck,
    )


def test_the_weather_changes() -> None:
    """Among the seeds are all moods, shapes and faults."""
    weathers = [drawn(seed) for seed in range(400)]
    assert {"calm", "harmless", "stormy"} == {weather.mood for weather in weathers}
    drawn_faults = {name for weather in weathers for name, rate in weather.rates.items() if rate}
    assert {
        "pause",
        "look-fails",
        "odd-exception",
        "answer-lost",
        "rot",
        "store-loses-answer",
    } <= drawn_faults
    assert 1 == min(weather.endpoints for weather in weathers)


def test_a_run_that_hangs_is_seen() -> None:
    """A loop without a next event, or beyond its limit, is stuck."""
    import asyncio

    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck):
        run_virtually(VirtualLoop(10.0), wait())

    async def tick() -> None:
        while True:
            await asyncio.sleep(1.0)

    with pytest.raises(Stuck):
        run_virtually(VirtualLoop(10.0), tick())
