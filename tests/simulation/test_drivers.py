"""Some hundreds of seeds, each a run whose drivers are killed, suspended and doubled."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from driver.history import run_names, run_store
from driver.history.epochs import Epochs, Taken
from mapreduce.wire import keys
from tests.simulation.actors import Actors, Process
from tests.simulation.drivers import simulate_drivers
from tests.simulation.memory_store import MemoryStorage

SEEDS = int(os.environ.get("MAPREDUCE_TEST_SEEDS", "400"))
BATCH = 100


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_seed_has_one_answer(first: int) -> None:
    """One driver commits, each reader sees its answer and no other, no driver hangs, and the run
    ends; some runs have several epochs.
    """
    found = {seed: simulate_drivers(seed) for seed in range(first, min(first + BATCH, SEEDS))}
    assert {} == {seed: each.broken for seed, each in found.items() if each.broken}
    assert {1, 2, 3} <= {each.epochs for each in found.values()}


def test_one_seed_is_one_run() -> None:
    """A seed always gives the same faults, epochs and duration."""
    assert simulate_drivers(45) == simulate_drivers(45)


def _commit_takes_no_epoch(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Epochs, "close", lambda *_: None)


def _oldest_epoch_counts(patch: pytest.MonkeyPatch) -> None:
    real = run_names.newest_epochs
    patch.setattr(run_store, "newest_epochs", lambda names: {name: name for name in real(names)})


def _epochs_are_overwritten(patch: pytest.MonkeyPatch) -> None:
    real = MemoryStorage.create

    def create(self: MemoryStorage, url: str, data: bytes, *, durable: bool = False) -> Any:
        own = self.write if "/epochs/" in url else real.__get__(self)
        return own(url, data, durable=durable)

    patch.setattr(MemoryStorage, "create", create)


def _a_commit_ends_no_epochs(patch: pytest.MonkeyPatch) -> None:
    real = Epochs.take

    def take(self: Epochs, run: str, now: float) -> Taken:
        taken = real(self, run, now)
        if not taken.answer:
            return taken
        first, number = run_names.epoch_of(taken.run)
        return Taken(keys.epoch(first, number + 2))

    patch.setattr(Epochs, "take", take)


@pytest.mark.parametrize(
    "fault",
    [
        _commit_takes_no_epoch,
        _oldest_epoch_counts,
        _epochs_are_overwritten,
        _a_commit_ends_no_epochs,
    ],
)
def test_a_fault_of_the_code_is_found(
    fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these faults breaks a law within some hundred seeds."""
    fault(monkeypatch)
    assert any(simulate_drivers(seed).broken for seed in range(SEEDS))


def test_actors_take_turns_in_virtual_time() -> None:
    """A suspended process goes on late, a killed one never, and one that hangs is seen."""
    actors, said = Actors(100.0), list[tuple[str, float]]()
    asleep, dead = Process("asleep", paused_until=30.0), Process("dead")

    def work(process: Process) -> Callable[[], None]:
        def say() -> None:
            actors.sleep(2.0)
            said.append((process.name, actors.now))

        return say

    for process in (asleep, dead, Process("free")):
        actors.start(process, work(process))
    dead.kill()
    assert actors.run()
    assert [("free", 2.0), ("asleep", 32.0)] == said
    actors.start(Process("endless"), lambda: actors.sleep(99.0))
    assert not actors.run()


def test_an_error_of_an_actor_is_raised() -> None:
    """And the other actors end."""
    actors = Actors(100.0)

    def fail() -> None:
        raise KeyError("odd")

    actors.start(Process("other"), lambda: actors.sleep(50.0))
    actors.start(Process("failing"), fail)
    with pytest.raises(KeyError, match="odd"):
        actors.run()
