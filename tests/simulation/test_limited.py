"""Some seeds with a limit of dollars: runs that pause, and go on."""

from __future__ import annotations

import os

import pytest

from tests.simulation.limited import simulate_limited

SEEDS = int(os.environ.get("MAPREDUCE_TEST_SEEDS", "400")) // 2
BATCH = 50


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_seed_keeps_the_limit(first: int) -> None:
    """No attempt starts beyond the limit; a paused run goes on with what it has done, to the right
    answer.
    """
    found = {seed: simulate_limited(seed) for seed in range(first, min(first + BATCH, SEEDS))}
    assert {} == {seed: each.broken for seed, each in found.items() if each.broken}
    assert {True, False} == {each.paused for each in found.values()}
