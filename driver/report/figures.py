"""The two figures of `driver bench`: speed-up by mappers, and end-to-end time by mappers."""

from __future__ import annotations

from collections.abc import Callable

from driver.report.chart import Chart, Point, Series
from driver.report.speedup import Level, SpeedUp, Spread, amdahl_s
from driver.text import plural

CURVE_POINTS = 60
X_NAME = "mappers"


def map_stage(found: SpeedUp, subtitle: str, processors: int | None) -> Chart:
    """Return the chart of speed-up against mappers: map stage, whole run, and its bound.

    Args:
        found: the measurements.
        subtitle: job, input and target.
        processors: of this machine, when the mappers share it.
    """
    alone_s = found.serial_s + found.parallel_s
    bound = [(x, alone_s / amdahl_s(found.serial_s, found.parallel_s, x)) for x in _curve(found)]
    most = found.levels[-1].mappers
    return Chart(
        title="Speed-up by mappers",
        subtitle=subtitle,
        x_name=X_NAME,
        y_name="times as fast as one mapper",
        series=(
            _measured("map stage", found, lambda level: level.map_speed_up),
            _measured("whole run", found, lambda level: level.speed_up),
            Series.computed("linear", [(1, 1), (most, most)]),
            Series.computed("Amdahl's bound, whole run", bound),
        ),
        mark=_mark(processors),
    )


def end_to_end(found: SpeedUp, subtitle: str, processors: int | None) -> Chart:
    """Return the chart of end-to-end seconds against mappers, with Amdahl's bound.

    The arguments are those of `map_stage`.
    """
    bound = [(x, amdahl_s(found.serial_s, found.parallel_s, x)) for x in _curve(found)]
    return Chart(
        title="End-to-end time by mappers",
        subtitle=subtitle,
        x_name=X_NAME,
        y_name="seconds, end to end",
        series=(
            _measured("measured", found, lambda level: level.end_to_end_s),
            Series.computed(f"Amdahl's bound ({found.serial_fraction:.0%} serial)", bound),
        ),
        mark=_mark(processors),
    )


def _curve(found: SpeedUp) -> list[float]:
    most = found.levels[-1].mappers
    return [1 + (most - 1) * step / CURVE_POINTS for step in range(CURVE_POINTS + 1)]


def _measured(name: str, found: SpeedUp, values_of: Callable[[Level], Spread]) -> Series:
    measured = [(level.mappers, values_of(level)) for level in found.levels]
    return Series(name, tuple(Point(x, y.median, y.least, y.most) for x, y in measured))


def _mark(processors: int | None) -> tuple[float, str] | None:
    return None if processors is None else (processors, f"{plural(processors, 'processor')} here")
