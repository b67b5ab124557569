"""The words for how far a stage is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from driver.report.model import StageModel
from driver.report.progress import left_s, progress_text, rate, seconds_text, stage_name

STAGE = StageModel(stage="map", tasks=10, reused=0, done=0, size_bytes=4 << 20, started=100.0)
HALF = {"done": 5, "bytes_done": 2 << 20, "first_attempt": 101.0}


def _stage(**changes: Any) -> StageModel:
    return replace(STAGE, **changes)


def test_rate_and_time_left_count_from_the_first_attempt() -> None:
    """Half of it in four seconds: as much a second, and four seconds are left; reused tasks have
    taken no time.
    """
    half = _stage(**HALF)
    assert rate(half, now=105.0) == (2 << 20) / 4
    assert left_s(half, now=105.0) == pytest.approx(4.0)
    reused = _stage(**{**HALF, "reused": 4})
    assert left_s(reused, now=105.0) == pytest.approx(4.0 * 5)


def test_bytes_that_were_read_tell_no_time_left() -> None:
    """Until a task is done nothing is said: it may have read its split, and not begun to work."""
    assert left_s(_stage(bytes_done=4 << 20, first_attempt=101.0), now=200.0) is None


def test_nothing_is_guessed_too_early() -> None:
    """Before an attempt, without a byte, and in the first second there is no rate."""
    assert left_s(STAGE, now=200.0) is None
    assert rate(_stage(first_attempt=101.0), now=200.0) is None
    assert rate(_stage(**HALF), now=101.5) is None


def test_a_stage_that_has_ended_has_no_time_left() -> None:
    """Its rate is that of the time until its end."""
    ended = _stage(**{**HALF, "ended": 103.0})
    assert (rate(ended, now=999.0), left_s(ended, now=999.0)) == ((2 << 20) / 2, None)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "0/10 tasks"),
        ({"tasks": 1}, "0/1 task"),
        (HALF, "5/10 tasks, 4.0 s left, 512.0 KiB/s"),
        ({"running": 2, "slots": 4}, "0/10 tasks, 2 of 4 slots"),
        ({"running": 2}, "0/10 tasks, 2 running"),
        ({"failures": 1, "done": 3, "reused": 3}, "3/10 tasks, 1 failed, 3 reused"),
        ({"again": 1, "done": 9, "kept": 9}, "9/10 tasks, again: 9 kept"),
    ],
)
def test_the_most_important_comes_first(changes: dict[str, Any], text: str) -> None:
    """A narrow terminal cuts the end of the line."""
    assert text == progress_text(_stage(**changes), now=105.0)


def test_a_step_of_a_chain_is_named() -> None:
    """The stage of a chain's second step bears its number."""
    assert ["map", "2 map"] == [stage_name(_stage(step=step)) for step in (0, 2)]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (185, "3:05"),
        (3723, "1:02:03"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Tenths while they say something, then seconds, minutes and hours."""
    assert text == seconds_text(seconds)
