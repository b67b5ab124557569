"""The command wins over the job's class, a step over the chain."""

from __future__ import annotations

from typing import Any

import pytest

from driver.plan.config import RunConfig
from driver.plan.cut import split_rule
from driver.plan.settings import (
    asked_settings,
    others_text,
    step_cut,
    step_partitions,
    with_settings,
)
from mapreduce import Job, Step, Sum

MIB = 1 << 20


class Says(Job):
    """Says all settings."""

    reducers = 8
    chunk_size = "2MiB"
    skip_bad_records = 3
    task_memory = 64 * MIB
    reduce = Sum()

    def map(self, key: Any, value: Any) -> Any:
        yield value, 1


class Silent(Job):
    """Says none."""

    reduce = Sum()
    map = Says.map


def test_the_class_decides_where_the_command_is_silent() -> None:
    """All four settings come from the class, sizes in bytes."""
    config, said = with_settings(RunConfig(inputs=("x",)), Says)
    expected = (8, 2 * MIB, 3, 64 * MIB)
    assert expected == (
        config.reducers,
        config.chunk_bytes,
        config.skip_bad_records,
        config.task_memory_bytes,
    )
    assert expected == tuple(said.values())
    assert "skip_bad_records = 3, task_memory = 64.0 MiB" == others_text(said)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ({"reducers": 2}, "reducers"),
        ({"chunk_bytes": 5}, "chunk_size"),
        ({"chunks": 4}, "chunk_size"),
        ({"skip_bad_records": 0}, "skip_bad_records"),
        ({"task_memory_bytes": 9}, "task_memory"),
    ],
)
def test_the_command_wins(command: dict[str, Any], name: str) -> None:
    """An option of the command, also 0, hides the class's setting, and is named."""
    given = RunConfig(inputs=("x",), **command)
    config, said = with_settings(given, Says)
    assert name not in said
    assert (name,) == asked_settings(given)
    for field, value in command.items():
        assert value == getattr(config, field)
    assert (config.chunks is None) or config.chunk_bytes is None


def test_without_settings_nothing_changes() -> None:
    """A class that says nothing leaves the rules; no record may be set aside."""
    config, said = with_settings(RunConfig(inputs=("x",)), Silent)
    assert (None, None, 0, {}) == (
        config.reducers,
        config.chunk_bytes,
        config.skip_bad_records,
        said,
    )
    assert "" == others_text(said)


def test_a_step_has_its_own_number_of_partitions() -> None:
    """The step, its job, and the plan decide in this order, unless the command says."""
    assert 2 == step_partitions(Step(Says(), reducers=2), 5, ())
    assert 8 == step_partitions(Step(Says()), 5, ())
    assert 5 == step_partitions(Step(Silent()), 5, ())
    assert 5 == step_partitions(Step(Says(), reducers=2), 5, ("reducers",))


def test_a_step_is_cut_as_its_job_says() -> None:
    """The job's chunk size holds for its step, unless the command says one."""
    whole = split_rule(100 * MIB)
    assert 2 * MIB == step_cut(Step(Says()), 100 * MIB, whole, ()).split_bytes
    assert whole == step_cut(Step(Silent()), 100 * MIB, whole, ())
    assert whole == step_cut(Step(Says()), 100 * MIB, whole, ("chunk_size",))
