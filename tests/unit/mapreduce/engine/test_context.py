"""The tools of a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce.engine.context import Stopwatch
from mapreduce.storage import open_storage
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import engine


def test_scratch_folder_is_gone_at_the_end(tmp_path: Path) -> None:
    """Each attempt has a separate folder, which is deleted at the end, also after an error."""
    with engine(WordCount, folder=tmp_path) as stages:
        context = stages.context()
        with context.scratch_folder() as one, context.scratch_folder() as other:
            assert one != other
            (one / "file").write_bytes(b"x")
        with pytest.raises(KeyError), context.scratch_folder() as failed:
            (failed / "folder").mkdir()
            raise KeyError
        assert [] == list(context.scratch.iterdir())


def test_cost() -> None:
    """A task's cost is the time since its start, and its memory peak."""
    stopwatch = Stopwatch(open_storage())
    held = bytearray(64 << 20)
    held[::4096] = b"x" * len(held[::4096])
    first = stopwatch.cost()
    assert first.peak_memory_bytes >= len(held)
    assert stopwatch.cost().seconds >= first.seconds >= 0
