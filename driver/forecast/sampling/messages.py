"""What the driver asks the process that runs a sample, and what that answers."""

from __future__ import annotations

from driver.forecast.document import HeavyKey
from driver.forecast.figures import (
    Figures,
    Point,
    StageFigures,
    line_through,
    medians,
    power_through,
)
from mapreduce.wire.messages import ByteRange, JobSpec, Message


class SampleRequest(Message):
    """A sample to run: local copies of the beginnings of some splits, each in byte ranges.

    `root` is the folder of the job's code, `packages` that of its packages, or "", and `folder` the
    one for all that the sample writes.
    """

    root: str
    packages: str = ""
    folder: str
    job: JobSpec
    samples: tuple[tuple[ByteRange, ...], ...]
    partitions: int
    total_order: bool = False
    memory_bytes: int
    budget_s: float


class Measured(Message):
    """One task of the sample."""

    size_bytes: int
    seconds: float
    bytes_out: int
    pairs_out: int
    memory_bytes: int


class SampleAnswer(Message):
    """The tasks of the sample, or the error of the job's code with its frames.

    `shares` are the bytes of each partition in all map outputs; `gathers`: the job yields its pairs
    at the end of a split.
    """

    maps: tuple[Measured, ...] = ()
    reduces: tuple[Measured, ...] = ()
    shares: tuple[int, ...] = ()
    keys: tuple[HeavyKey, ...] = ()
    gathers: bool = False
    seconds: float = 0.0
    error: str = ""


def figures_of(answer: SampleAnswer, unpacked: float = 1.0) -> Figures | None:
    """Return the figures of a sample; None when no map task of it was measured.

    Args:
        answer: the measured tasks.
        unpacked: how many bytes come from one byte of a compressed input.
    """
    if not answer.maps:
        return None
    return Figures(
        map=_stage(answer.maps),
        reduce=_stage(answer.reduces) if answer.reduces else None,
        unpacked=unpacked,
        holds_all=answer.gathers,
    )


def _stage(tasks: tuple[Measured, ...]) -> StageFigures:
    def points(values: list[float]) -> list[Point]:
        return [
            Point(size_bytes=task.size_bytes, value=value)
            for task, value in zip(tasks, values, strict=True)
        ]

    return StageFigures(
        seconds=line_through(medians(points([task.seconds for task in tasks]))),
        bytes_out=power_through(points([float(task.bytes_out) for task in tasks])),
        pairs_out=power_through(points([float(task.pairs_out) for task in tasks])),
        memory=line_through(points([float(task.memory_bytes) for task in tasks]), level=True),
    )
