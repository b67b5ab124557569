"""When a run on Spark says that it waits, and when its stage is over its limit."""

from __future__ import annotations

import pytest

from driver.spark.watch import FIRST_WORD_S, NEXT_WORD_S, NO_ROOM_S, Counts, State, Watch, timed_out
from mapreduce.errors import FleetError, StageFailed

EMPTY = State()
MAPS = State(2, Counts(running=2))
BETWEEN = State(2, Counts(done=3))
REDUCES = State(2, Counts(done=3), Counts(running=1))


def _watch(limit_s: float | None = None, reduces: int = 2) -> Watch:
    return Watch(3, reduces, 100.0, limit_s)


def test_a_run_without_an_executor_says_so_again_and_again() -> None:
    """The first word comes after some seconds, the next ones less often."""
    watch = _watch()
    assert watch.waits_s(EMPTY, 100.0 + FIRST_WORD_S - 0.1) is None
    assert watch.waits_s(EMPTY, 100.0 + FIRST_WORD_S) == FIRST_WORD_S
    assert watch.waits_s(EMPTY, 100.0 + FIRST_WORD_S + NEXT_WORD_S - 0.1) is None
    assert watch.waits_s(EMPTY, 100.0 + FIRST_WORD_S + NEXT_WORD_S) == FIRST_WORD_S + NEXT_WORD_S


def test_a_task_that_runs_begins_the_wait_anew() -> None:
    """A run whose tasks run is silent, however long they take; executors that idle are told."""
    watch = _watch()
    for now in (101, 200, 300):
        assert watch.waits_s(MAPS, now) is None
    assert watch.waits_s(State(2), 300 + FIRST_WORD_S - 0.1) is None
    assert watch.waits_s(State(2), 300 + FIRST_WORD_S) == FIRST_WORD_S


def test_no_executor_for_an_hour_ends_the_run() -> None:
    """A run that waits for its first executor ends; one that has executors does not."""
    _watch().waits_s(State(1), 101 + NO_ROOM_S)
    with pytest.raises(FleetError, match="map stage no executor"):
        _watch().waits_s(EMPTY, 101 + NO_ROOM_S)


@pytest.mark.parametrize("state", [EMPTY, MAPS])
def test_the_map_stage_has_its_limit(state: State) -> None:
    """The limit counts from the beginning, with and without executors."""
    watch = _watch(20)
    watch.waits_s(state, 120)
    with pytest.raises(StageFailed, match="map stage .* 3 of 3 tasks were not done after 20 s"):
        watch.waits_s(state, 120.1)


def test_the_reduce_stage_has_a_limit_of_its_own() -> None:
    """It counts from the end of the map stage, also when maps run again for a lost executor."""
    watch = _watch(20)
    watch.waits_s(MAPS, 115)
    watch.waits_s(BETWEEN, 118)
    assert watch.stage == "reduce"
    watch.waits_s(REDUCES, 130)
    watch.waits_s(MAPS, 138)
    with pytest.raises(StageFailed, match="reduce stage .* 2 of 2 tasks were not done after 20 s"):
        watch.waits_s(REDUCES, 138.1)


def test_a_job_without_reduce_has_one_stage() -> None:
    """Its finished map stage is no reduce stage, and is never late."""
    watch = _watch(20, reduces=0)
    watch.waits_s(BETWEEN, 119)
    assert watch.stage == "map"
    watch.waits_s(BETWEEN, 140)


def test_the_words_of_a_limit() -> None:
    """They are those of the other targets."""
    assert "the split stage could not be done: 1 of 1 tasks were not done after 0.5 s." == str(
        timed_out("split", 1, 1, 0.5)
    )
