"""How much a task takes for its size: seconds, memory and output, from measured points. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from mapreduce.wire.messages import Message


class Growth(Message):
    """A quantity that grows with the bytes that a task reads: `fixed` + `factor` x bytes^`power`.

    `power` is 1 for what every record adds, and less where later records add less, as the keys of
    a text do that its first half has already.
    """

    fixed: float = 0.0
    factor: float = 0.0
    power: float = 1.0

    def at(self, size_bytes: float) -> float:
        """Return the quantity for a task that reads so many bytes."""
        if size_bytes <= 0:
            return self.fixed
        return self.fixed + self.factor * math.pow(size_bytes, self.power)


class Point(Message):
    """One measured task: the bytes that it read, and a quantity."""

    size_bytes: float
    value: float


class StageFigures(Message):
    """The growth of a stage's tasks: seconds, bytes and pairs out, and peak memory in bytes."""

    seconds: Growth = Growth()
    bytes_out: Growth = Growth()
    pairs_out: Growth = Growth()
    memory: Growth = Growth()


class Figures(Message):
    """What the tasks of a job take.

    `reduce` is None for a job without one. `unpacked` is how many bytes come from one byte of a
    compressed input. `holds_all`: memory grows with the split, because the job keeps what it maps.
    """

    map: StageFigures
    reduce: StageFigures | None = None
    unpacked: float = 1.0
    holds_all: bool = False


def line_through(points: Sequence[Point], *, level: bool = False) -> Growth:
    """Return the line of least squares through points; neither its start nor its slope is negative.

    With one size only, the whole value grows with the size; or with `level` none of it does, as
    memory, most of which a process has before its task begins.
    """
    if not points:
        return Growth()
    count = len(points)
    mean_size = math.fsum(point.size_bytes for point in points) / count
    mean = math.fsum(point.value for point in points) / count
    spread = math.fsum((point.size_bytes - mean_size) ** 2 for point in points)
    if mean_size <= 0:
        return Growth(fixed=max(0.0, mean))
    through_zero = Growth(factor=max(0.0, mean) / mean_size)
    if spread <= (mean_size * 0.01) ** 2:
        return Growth(fixed=max(0.0, mean)) if level else through_zero
    joint = math.fsum((each.size_bytes - mean_size) * (each.value - mean) for each in points)
    slope = joint / spread
    if slope < 0:
        return Growth(fixed=max(0.0, mean))
    fixed = mean - slope * mean_size
    return through_zero if fixed < 0 else Growth(fixed=fixed, factor=slope)


def medians(points: Sequence[Point]) -> list[Point]:
    """Return the median of the small and of the large points: one task that was held up, on a busy
    machine, moves neither.
    """
    if not points:
        return []
    middle = (min(each.size_bytes for each in points) + max(each.size_bytes for each in points)) / 2
    small = [each for each in points if each.size_bytes <= middle]
    large = [each for each in points if each.size_bytes > middle]
    return [
        Point(
            size_bytes=statistics.median(each.size_bytes for each in group),
            value=statistics.median(each.value for each in group),
        )
        for group in (small, large)
        if group
    ]


def power_through(points: Sequence[Point]) -> Growth:
    """Return a growth without a fixed part through the mean of small and of large points.

    The power is between 0 and 1: nothing that a task writes grows faster than what it reads.
    """
    sizes = sorted({point.size_bytes for point in points if point.size_bytes > 0})
    if not sizes:
        return Growth()
    middle = (sizes[0] + sizes[-1]) / 2
    small = _mean([each for each in points if 0 < each.size_bytes <= middle])
    large = _mean([each for each in points if each.size_bytes > middle]) or small
    if small is None or large is None or large.value <= 0:
        return Growth()
    power = 1.0
    if small.value > 0 and large.size_bytes > small.size_bytes * 1.1:
        growth = math.log(large.value) - math.log(small.value)
        power = min(1.0, max(0.0, growth / math.log(large.size_bytes / small.size_bytes)))
    return Growth(factor=large.value / large.size_bytes**power, power=power)


def _mean(points: Sequence[Point]) -> Point | None:
    if not points:
        return None
    count = len(points)
    return Point(
        size_bytes=sum(point.size_bytes for point in points) / count,
        value=sum(point.value for point in points) / count,
    )
