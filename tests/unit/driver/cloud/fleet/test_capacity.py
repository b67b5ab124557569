"""How many tasks a run starts, and what it leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.cloud.fleet.capacity import (
    USUAL,
    Counts,
    Ending,
    Lease,
    Scaling,
    changed,
    ending,
    wanted,
)

STOPPED: Counts = {"splitter": 0, "mapper": 0, "reducer": 0}
RUNNING: Counts = {"splitter": 1, "mapper": 3, "reducer": 1}
COUNTS = st.fixed_dictionaries(dict.fromkeys(STOPPED, st.integers(0, 50)))


def _wanted(now: Counts, mappers: int | None = None, map_tasks: int = 100) -> Counts:
    return wanted(now, RUNNING, mappers, map_tasks, slots=2)


def test_a_stopped_stack_gets_the_tasks_of_its_variables() -> None:
    """Without --mappers a run starts as many tasks as Terraform's variables say."""
    assert RUNNING == _wanted(STOPPED)


def test_variables_of_a_stopped_stack_may_be_zero() -> None:
    """`terraform apply -var mapper_count=0 ...` has stopped it: the usual numbers are started."""
    assert USUAL == wanted(STOPPED, STOPPED, None, 100, 2)


def test_a_small_run_starts_no_mapper_without_work() -> None:
    """Three map tasks on mappers of two slots need two mappers; none needs one."""
    assert 2 == _wanted(STOPPED, map_tasks=3)["mapper"]
    assert 1 == _wanted(STOPPED, map_tasks=0)["mapper"]


def test_the_users_number_of_mappers_counts() -> None:
    """--mappers starts that many, also beyond the variables and the number of map tasks."""
    assert 20 == _wanted(STOPPED, mappers=20, map_tasks=1)["mapper"]
    assert 20 == _wanted(RUNNING, mappers=20)["mapper"]


@given(now=COUNTS, mappers=st.none() | st.integers(1, 60), map_tasks=st.integers(0, 500))
def test_a_run_takes_no_task_away_and_has_one_of_each(
    now: Counts, mappers: int | None, map_tasks: int
) -> None:
    """Another run may use a task; and a stage without a task would wait for ever."""
    found = wanted(now, RUNNING, mappers, map_tasks, slots=2)
    assert found.keys() == now.keys()
    assert all(found[role] >= max(1, now[role]) for role in now)
    scaling = changed(now, found)
    assert (scaling is None) == (found == now)
    if scaling is not None:
        assert {**now, **scaling.after} == found
        assert {**found, **scaling.before} == now


MORE = Scaling({"mapper": 3}, {"mapper": 20})
HOLDS, ENDED = Lease(1000, 60), Lease(900, 60)
AFTER = Lease(1000, 1800, holds=False)


@pytest.mark.parametrize(
    ("scaling", "mappers", "others", "kept", "expected"),
    [
        (MORE, 20, [], False, Ending({"mapper": 3}, "restored")),
        (MORE, 20, [ENDED], False, Ending({"mapper": 3}, "restored")),
        (MORE, 20, [AFTER], False, Ending({"mapper": 3}, "restored")),
        (MORE, 20, [HOLDS], False, Ending({}, "in use")),
        (MORE, 10, [], False, Ending({}, "changed")),
        (MORE, 20, [], True, Ending({}, "kept")),
        (None, 3, [], False, Ending({}, "as it was")),
    ],
)
def test_a_run_undoes_its_change_where_nobody_needs_it(
    scaling: Scaling | None, mappers: int, others: list[Lease], kept: bool, expected: Ending
) -> None:
    """The change is undone, unless it is kept, in use by another run, or changed by another."""
    now: Counts = {"splitter": 1, "mapper": mappers, "reducer": 1}
    assert expected == ending(scaling, now, others, at=1010, kept=kept)
