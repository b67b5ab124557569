"""The progress of a stage in words: tasks, time left, rate, slots, attempts. Pure."""

from __future__ import annotations

from driver.report.model import StageModel
from driver.text import bytes_text, plural

LEAST_S = 1.0
"""Seconds that attempts have run before a rate says anything."""


def stage_name(stage: StageModel) -> str:
    """Return a stage's name, with its step in a chain."""
    return f"{stage.step} {stage.stage}" if stage.step else stage.stage


def rate(stage: StageModel, now: float) -> float | None:
    """Return the bytes a second that the stage reads, from its first attempt on; None too early."""
    if stage.first_attempt is None or not stage.bytes_done:
        return None
    seconds = (stage.ended if stage.ended is not None else now) - stage.first_attempt
    return stage.bytes_done / seconds if seconds >= LEAST_S else None


def left_s(stage: StageModel, now: float) -> float | None:
    """Return the seconds that the stage still takes, by the tasks done so far; None if unknown.

    Bytes do not tell: a task may read all of its split at once, and then work on it for long.
    """
    done = stage.done - stage.reused - stage.kept
    if stage.first_attempt is None or stage.ended is not None or not done:
        return None
    return (now - stage.first_attempt) / done * (stage.tasks - stage.done)


def progress_text(stage: StageModel, now: float) -> str:
    """Return how far a stage is, the most important first: a narrow terminal cuts the end."""
    parts = [f"{stage.done}/{plural(stage.tasks, 'task')}"]
    if (left := left_s(stage, now)) is not None:
        parts.append(f"{seconds_text(left)} left")
    if stage.failures:
        parts.append(f"{stage.failures} failed")
    if (speed := rate(stage, now)) is not None:
        parts.append(f"{bytes_text(speed)}/s")
    if stage.running:
        parts.append(
            f"{stage.running} of {plural(stage.slots, 'slot')}"
            if stage.slots >= stage.running
            else f"{stage.running} running"
        )
    if stage.again:
        parts.append(f"again: {stage.kept} kept")
    if stage.reused:
        parts.append(f"{stage.reused} reused")
    return ", ".join(parts)


def seconds_text(seconds: float) -> str:
    """Return a duration: `0.4 s`, `12 s`, `3:05`, `1:02:03`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
