"""The words for what a run on Spark waits for, and for the engine that its executors run."""

from __future__ import annotations

import pytest

from driver.plan.events import EngineOnSpark, Event, WaitingForSpark
from driver.report.event_text import event_text


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (WaitingForSpark(at=1.0, stage=None, seconds=8.2), "Spark has not started for 8 s"),
        (
            WaitingForSpark(at=1.0, stage="map", seconds=8.2),
            "the map stage has no executor for 8 s: other applications hold the cluster, or no",
        ),
        (
            WaitingForSpark(at=1.0, stage="reduce", seconds=38.0, executors=2),
            "the reduce stage has 2 executors, and none has run a task for 38 s",
        ),
        (
            EngineOnSpark(at=1.0, native=3, missing={"two": "not built", "one": "not built"}),
            "slower: executors have no native extension (one: not built; two: not built)",
        ),
    ],
)
def test_words(event: Event, words: str) -> None:
    """Each says what it is, and what follows."""
    assert (event_text(event) or "").startswith(words)


def test_the_compiled_engine_is_not_worth_a_word() -> None:
    """Only its absence is told."""
    assert event_text(EngineOnSpark(at=1.0, native=3)) is None
