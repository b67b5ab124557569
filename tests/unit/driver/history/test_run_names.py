"""The names of runs, of steps, and of epochs."""

from __future__ import annotations

import pytest

from driver.history.run_names import epoch_of, is_superseded, newest_epochs, whole_of
from mapreduce.wire import keys

RUN = "run-20260101-000000-calm-owl"


@pytest.mark.parametrize("number", [1, 2, 10, 9999])
def test_the_name_of_an_epoch_says_its_run_and_number(number: int) -> None:
    """Reading a name is the inverse of making it."""
    assert (RUN, number) == epoch_of(keys.epoch(RUN, number))


@pytest.mark.parametrize("name", ["-epoch-2", f"{RUN}-epoch-", f"{RUN}-epoch-02", "a-epoch-x"])
def test_other_names_are_first_epochs(name: str) -> None:
    """A name that no driver makes is not cut."""
    assert (name, 1) == epoch_of(name)


def test_the_newest_epoch_is_the_highest_number() -> None:
    """Not the last in the order of text; steps are no epochs."""
    names = [RUN, *(f"{RUN}-epoch-{number}" for number in (10, 9)), f"{RUN}-epoch-11-step-1"]
    newest = newest_epochs(names)
    assert {RUN: f"{RUN}-epoch-10"} == newest
    superseded = [name for name in (*names[:3], f"{RUN}-step-1") if is_superseded(name, newest)]
    assert [RUN, f"{RUN}-epoch-9", f"{RUN}-step-1"] == superseded


def test_epochs_and_their_steps_belong_to_one_run() -> None:
    """And their keys are the program's own, of that epoch's run."""
    for name in (RUN, f"{RUN}-step-3", f"{RUN}-epoch-2", f"{RUN}-epoch-2-step-3"):
        assert RUN == whole_of(name)
        assert keys.is_part_of(name, RUN)
        key = f"runs/{name}/plan.json"
        assert (True, name) == (keys.is_own(key), keys.run_of(key))
    slot = keys.epoch_slot("s3://bucket", RUN, 2).removeprefix("s3://bucket/")
    assert (f"runs/{RUN}/epochs/0002.json", True, RUN) == (
        slot,
        keys.is_own(slot),
        keys.run_of(slot),
    )
