"""The messages of a run's tasks, with default fields."""

from __future__ import annotations

import pytest

from mapreduce.wire.messages import InputObject, JobSpec, SplitRule
from mapreduce.wire.tasks import FIRST_ATTEMPT, TaskMessages

JOB = JobSpec(code="0" * 64, module="m", name="N")
CUT = SplitRule(splits=3)
INPUT = InputObject(url="file:///a", size=1, etag="e")


def test_a_split_task_plans_byte_ranges_by_default() -> None:
    """A split task is the first attempt, and plans byte ranges unless the mode is `copy`."""
    messages = TaskMessages(run="run-1", store="file:///s", job=JOB, partitions=2)
    task = messages.split((INPUT,), CUT)
    assert ("range", FIRST_ATTEMPT, CUT, None) == (
        task.mode,
        task.attempt,
        task.cut,
        task.key_ranges,
    )
    assert "copy" == messages.split((INPUT,), CUT, mode="copy").mode


@pytest.mark.parametrize(
    ("partitions", "total_order", "key_ranges", "map_top"),
    [(2, True, 2, 0), (2, False, None, 0), (1, True, None, 0), (0, True, None, 7)],
)
def test_keys_are_sampled_for_several_ranges_alone(
    partitions: int, total_order: bool, key_ranges: int | None, map_top: int
) -> None:
    """Keys are sampled only for several key ranges; maps report top pairs without partitions."""
    messages = TaskMessages(
        run="run-1",
        store="file:///s",
        job=JOB,
        partitions=partitions,
        total_order=total_order,
        top=7,
        keep_pairs=True,
    )
    assert (key_ranges, map_top) == (messages.key_ranges, messages.map_top)
    assert (partitions == 0) == messages.keep_map_pairs
