"""The speed-up by more mappers: medians of measured runs, and the bound of Amdahl's law. Pure.

The bound is that of a fixed amount of work (G. M. Amdahl, "Validity of the single processor
approach to achieving large scale computing capabilities", AFIPS 1967): of the time with one mapper,
`serial_s` cannot be shared and `parallel_s` can be shared evenly, so that with n mappers

    T(n) = serial_s + parallel_s / n    and the speed-up is    1 / (f + (1 - f) / n),
    f = serial_s / T(1).

Both parts are estimated from the runs with one mapper alone: `parallel_s` is the median of the map
stage's wall time, and `serial_s` is the rest of the median end-to-end time: start, split, reduce,
ledger and commit. It is an estimate and not a proof: with more mappers the start takes longer, and
the speed of a shared machine varies, so that a measured point may lie a little beyond the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median

from mapreduce.errors import UsageError
from mapreduce.wire.messages import Message


class Measured(Message):
    """One run: its number of mappers, and the seconds of its map stage and end to end."""

    mappers: int
    map_s: float
    end_to_end_s: float


class Spread(Message):
    """The median, the smallest and the largest of some values."""

    median: float
    least: float
    most: float


class Level(Message):
    """The measurements with one number of mappers.

    Times are in seconds, speed-ups relative to one mapper, bounds by Amdahl's law.
    """

    mappers: int
    runs: int
    map_s: Spread
    map_speed_up: Spread
    end_to_end_s: Spread
    speed_up: Spread
    bound_s: float
    bound_speed_up: float


class SpeedUp(Message):
    """All levels, fewest mappers first.

    `serial_s` and `parallel_s` are the seconds of a run with one mapper that cannot and can be
    shared; `serial_fraction` is the first's share.
    """

    serial_s: float
    parallel_s: float
    serial_fraction: float
    levels: tuple[Level, ...]


def speed_up(runs: Iterable[Measured]) -> SpeedUp:
    """Return medians, speed-ups and bounds of the runs.

    Raises:
        UsageError: none of them had one mapper.
    """
    by_level: dict[int, list[Measured]] = {}
    for run in runs:
        by_level.setdefault(run.mappers, []).append(run)
    if 1 not in by_level:
        raise UsageError("there is no run with one mapper to compare the others with")
    parallel_s = median(run.map_s for run in by_level[1])
    serial_s = max(0.0, median(run.end_to_end_s for run in by_level[1]) - parallel_s)
    levels = (_level(number, by_level[number], serial_s, parallel_s) for number in sorted(by_level))
    return SpeedUp(
        serial_s=serial_s,
        parallel_s=parallel_s,
        serial_fraction=serial_s / (serial_s + parallel_s),
        levels=tuple(levels),
    )


def amdahl_s(serial_s: float, parallel_s: float, mappers: float) -> float:
    """Return the least seconds that a run can take."""
    return serial_s + parallel_s / mappers


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of at least one value."""
    return Spread(median=median(values), least=min(values), most=max(values))


def _level(mappers: int, runs: Sequence[Measured], serial_s: float, parallel_s: float) -> Level:
    alone_s, bound_s = serial_s + parallel_s, amdahl_s(serial_s, parallel_s, mappers)
    return Level(
        mappers=mappers,
        runs=len(runs),
        map_s=spread([run.map_s for run in runs]),
        map_speed_up=spread([parallel_s / run.map_s for run in runs]),
        end_to_end_s=spread([run.end_to_end_s for run in runs]),
        speed_up=spread([alone_s / run.end_to_end_s for run in runs]),
        bound_s=bound_s,
        bound_speed_up=alone_s / bound_s,
    )
