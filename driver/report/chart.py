"""Draws a line chart as one self-contained SVG file, for light and dark pages.

It knows nothing of its data. The template `templates/chart.svg` holds the markup, in the
colours and with the parts of the page of a run; what is computed is here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from driver.report.templating import rendered
from driver.report.words import axis_text

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 692, 92, 384
"""The edges of the area between the axes."""
MARGIN = 20
TICKS = 6
TICK_SPACE = 26
"""Pixels between the labels of two marks on the horizontal axis, at least."""
LETTER = 7.0
"""A letter's mean width in pixels, generous: there are no font metrics here."""


@dataclass(frozen=True, slots=True)
class Point:
    """A measured value, with the smallest and the largest measurement."""

    x: float
    y: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Series:
    """A line: solid through measured points with their spread, or dashed through computed ones."""

    name: str
    points: tuple[Point, ...]
    measured: bool = True

    @classmethod
    def computed(cls, name: str, points: Sequence[tuple[float, float]]) -> Series:
        """Return a line of computed points."""
        return cls(name, tuple(Point(x, y, y, y) for x, y in points), measured=False)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart's data. `mark` is a position on the horizontal axis, and its label."""

    title: str
    subtitle: str
    x_name: str
    y_name: str
    series: tuple[Series, ...]
    mark: tuple[float, str] | None = None


def svg(chart: Chart) -> str:
    """Return the chart as the text of an SVG file; both axes begin at 0."""
    scale = _Scale(chart)
    values = {
        "chart": chart,
        "scale": scale,
        "x_ticks": _x_ticks(chart, scale),
        "legend": _legend(chart.series),
        "edges": {"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        "size": (WIDTH, HEIGHT),
    }
    return rendered("chart.svg", values)


def ticks(most: float, count: int = TICKS) -> list[float]:
    """Return round numbers from 0 to at least `most`, about `count` of them.

    The steps are 1, 2 or 5 times a power of ten.
    """
    if most <= 0:
        return [0.0, 1.0]
    power = 10 ** math.floor(math.log10(most / count))
    step = next(
        power * factor for factor in (1, 2, 5, 10) if power * factor * count >= most * 0.999
    )
    return [round(step * number, 9) for number in range(math.ceil(most / step - 1e-9) + 1)]


class _Scale:
    """The mapping from values to pixels."""

    def __init__(self, chart: Chart) -> None:
        points = [point for series in chart.series for point in series.points]
        self.y_ticks = ticks(max((point.most for point in points), default=1.0))
        self.x_most = max((point.x for point in points), default=1.0) * 1.04

    def x(self, value: float) -> float:
        return round(LEFT + value / self.x_most * (RIGHT - LEFT), 1)

    def y(self, value: float) -> float:
        return round(BOTTOM - value / self.y_ticks[-1] * (BOTTOM - TOP), 1)


def _x_ticks(chart: Chart, scale: _Scale) -> list[tuple[float, str]]:
    """Return the marks on the horizontal axis; without a label where it would touch another."""
    measured = [series for series in chart.series if series.measured]
    found: list[tuple[float, str]] = []
    labelled = -math.inf
    for value in sorted({point.x for series in measured for point in series.points}):
        x = scale.x(value)
        fits = x - labelled >= TICK_SPACE
        found.append((x, axis_text(value) if fits else ""))
        labelled = x if fits else labelled
    return found


def _legend(all_series: Sequence[Series]) -> list[tuple[float, Series]]:
    """Return where each series is named."""
    found, x = [], float(MARGIN)
    for series in all_series:
        found.append((x, series))
        x += 33 + LETTER * len(series.name) + 22
    return found
