"""The settings of a run: those of the command, else those that the job says. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from driver.plan.config import RunConfig
from driver.plan.cut import split_rule
from driver.text import bytes_text
from mapreduce.chain import Chain, Step
from mapreduce.job import Job
from mapreduce.user_code.settings import said_settings
from mapreduce.wire.messages import SplitRule

_OPTIONS = {
    "reducers": "reducers",
    "chunk_size": "chunk_bytes",
    "skip_bad_records": "skip_bad_records",
    "task_memory": "task_memory_bytes",
}
"""The setting of a class, and the field of `RunConfig`."""


def with_settings(
    config: RunConfig, job: type[Job] | type[Chain]
) -> tuple[RunConfig, dict[str, int]]:
    """Return the configuration of a run, and which of it the job says.

    Args:
        config: what the command says; None where it says nothing.
        job: the class, whose settings hold where the command says nothing.
    """
    said = {
        name: value
        for name, value in said_settings(job).items()
        if name not in asked_settings(config)
    }
    found = {_OPTIONS[name]: value for name, value in said.items()}
    skipped = found.pop("skip_bad_records", config.skip_bad_records or 0)
    return replace(config, skip_bad_records=skipped, **found), said


def asked_settings(config: RunConfig) -> tuple[str, ...]:
    """Return the names of the settings that the command says."""
    asked = [name for name, field in _OPTIONS.items() if getattr(config, field) is not None]
    cut = (config.chunks is not None or config.over) and "chunk_size" not in asked
    return (*asked, *(["chunk_size"] if cut else []))


def others_text(said: dict[str, int]) -> str:
    """Return the settings of a job that the line about the cut does not show; "" for none."""
    shown = []
    if "skip_bad_records" in said:
        shown.append(f"skip_bad_records = {said['skip_bad_records']:,}")
    if "task_memory" in said:
        shown.append(f"task_memory = {bytes_text(said['task_memory'])}")
    return ", ".join(shown)


def step_partitions(step: Step, by_plan: int, asked: Collection[str]) -> int:
    """Return the number of partitions of a chain's step.

    Args:
        step: the step.
        by_plan: what the command or the chain says, or what follows from the chain's input.
        asked: the names of the settings that the command says, which win.
    """
    if step.job.map_only:
        return 0
    if "reducers" in asked:
        return by_plan
    return step.reducers or type(step.job).reducers or by_plan


def step_cut(step: Step, total_bytes: int, by_plan: SplitRule, asked: Collection[str]) -> SplitRule:
    """Return how the input of a chain's step is cut.

    Args:
        step: the step.
        total_bytes: of its inputs.
        by_plan: how the chain's input is cut.
        asked: the names of the settings that the command says, which win.
    """
    wanted = said_settings(type(step.job)).get("chunk_size")
    if wanted is None or "chunk_size" in asked:
        return by_plan
    return split_rule(total_bytes, chunk_bytes=wanted)
