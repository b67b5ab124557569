"""Draws a line chart as one self-contained SVG file, for light and dark pages.

It knows nothing of its data. All text is escaped, because the XML tree is built and not written as
text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as Xml

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 92, 56
TICKS = 6
TICK_SPACE = 26
"""Pixels between the labels of two marks on the horizontal axis, at least."""
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 }
.quiet { fill: #59636e }
.ground { fill: #ffffff }
.grid { stroke: #d9dee3; stroke-width: 1 }
.axis { stroke: #59636e; stroke-width: 1 }
.mark { stroke: #59636e; stroke-width: 1; stroke-dasharray: 2 4 }
.line { fill: none; stroke-width: 2; stroke-linejoin: round }
.bound { stroke-dasharray: 7 5 }
.s0 { stroke: #0066a8 } .p0 { fill: #0066a8 }
.s1 { stroke: #b3541e } .p1 { fill: #b3541e }
.s2 { stroke: #6e7781 } .p2 { fill: #6e7781 }
.s3 { stroke: #8a3a8f } .p3 { fill: #8a3a8f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .quiet { fill: #9aa4af } .ground { fill: #0d1117 }
  .grid { stroke: #262c34 } .axis, .mark { stroke: #9aa4af }
  .s0 { stroke: #58b4f0 } .p0 { fill: #58b4f0 }
  .s1 { stroke: #f0935a } .p1 { fill: #f0935a }
  .s2 { stroke: #8b949e } .p2 { fill: #8b949e }
  .s3 { stroke: #d18bd6 } .p3 { fill: #d18bd6 }
}
"""


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
    root = Xml.Element(
        "svg",
        {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img"},
        width=str(WIDTH),
        height=str(HEIGHT),
    )
    Xml.SubElement(root, "title").text = chart.title
    Xml.SubElement(root, "desc").text = _description(chart)
    Xml.SubElement(root, "style").text = STYLE
    Xml.SubElement(root, "rect", {"class": "ground", "width": str(WIDTH), "height": str(HEIGHT)})
    _text(root, LEFT - 44, 30, chart.title, "title")
    _text(root, LEFT - 44, 50, chart.subtitle, "quiet")
    _axes(root, chart, scale)
    if chart.mark is not None and chart.mark[0] <= scale.x_most:
        _mark(root, *chart.mark, scale)
    for number, series in reversed(list(enumerate(chart.series))):
        _series(root, series, number, scale)
    _legend(root, chart.series)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode") + "\n"


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
        return round(LEFT + value / self.x_most * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - BOTTOM - value / self.y_ticks[-1] * (HEIGHT - TOP - BOTTOM), 1)


def _axes(root: Xml.Element, chart: Chart, scale: _Scale) -> None:
    bottom, right = scale.y(0), WIDTH - RIGHT
    for value in scale.y_ticks:
        _line(root, LEFT, scale.y(value), right, scale.y(value), "grid" if value else "axis")
        _text(root, LEFT - 10, scale.y(value) + 4.5, _number(value), "quiet", "end")
    last = -math.inf
    for value in sorted(
        {point.x for series in chart.series if series.measured for point in series.points}
    ):
        _line(root, scale.x(value), bottom, scale.x(value), bottom + 5, "axis")
        if scale.x(value) - last >= TICK_SPACE:
            _text(root, scale.x(value), bottom + 21, _number(value), "quiet", "middle")
            last = scale.x(value)
    _text(root, (LEFT + right) / 2, HEIGHT - 12, chart.x_name, "quiet", "middle")
    turned = _text(root, 0, 0, chart.y_name, "quiet", "middle")
    turned.set("transform", f"translate(18 {(TOP + bottom) / 2:.1f}) rotate(-90)")


def _mark(root: Xml.Element, x: float, text: str, scale: _Scale) -> None:
    _line(root, scale.x(x), TOP, scale.x(x), scale.y(0), "mark")
    near_end = scale.x(x) > WIDTH * 0.7
    _text(
        root,
        scale.x(x) + (-6 if near_end else 6),
        TOP + 12,
        text,
        "quiet",
        "end" if near_end else "start",
    )


def _series(root: Xml.Element, series: Series, number: int, scale: _Scale) -> None:
    group = Xml.SubElement(root, "g", {"class": "measured" if series.measured else "computed"})
    path = " ".join(f"{scale.x(point.x)},{scale.y(point.y)}" for point in series.points)
    dashes = "" if series.measured else " bound"
    Xml.SubElement(group, "polyline", {"class": f"line s{number}{dashes}", "points": path})
    for point in series.points if series.measured else ():
        x, low, high = scale.x(point.x), scale.y(point.least), scale.y(point.most)
        if low - high >= 1:
            for y in (low, high):
                _line(group, x - 5, y, x + 5, y, f"line s{number}")
            _line(group, x, low, x, high, f"line s{number}")
        dot = _dot(group, x, scale.y(point.y), number)
        spread = (
            f" ({_number(point.least)} to {_number(point.most)})"
            if point.most > point.least
            else ""
        )
        Xml.SubElement(
            dot, "title"
        ).text = f"{series.name}, {_number(point.x)}: {_number(point.y)}{spread}"


def _legend(root: Xml.Element, all_series: Sequence[Series]) -> None:
    x = LEFT - 44.0
    for number, series in enumerate(all_series):
        dashes = "" if series.measured else " bound"
        _line(root, x, 71, x + 26, 71, f"line s{number}{dashes}")
        if series.measured:
            _dot(root, x + 13, 71, number)
        _text(root, x + 33, 75.5, series.name, "")
        x += 33 + 7.0 * len(series.name) + 22  # no font metrics here: a generous mean width


def _dot(parent: Xml.Element, x: float, y: float, number: int) -> Xml.Element:
    """Draw a circle or a square, so that two series differ without their colours too."""
    if number % 2 == 0:
        return Xml.SubElement(
            parent, "circle", {"class": f"p{number}", "cx": f"{x}", "cy": f"{y}", "r": "4.5"}
        )
    corner = {"x": f"{x - 4:.1f}", "y": f"{y - 4:.1f}", "width": "8", "height": "8"}
    return Xml.SubElement(parent, "rect", {"class": f"p{number}", **corner})


def _line(parent: Xml.Element, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
    ends = {"x1": f"{x1}", "y1": f"{y1}", "x2": f"{x2}", "y2": f"{y2}"}
    Xml.SubElement(parent, "line", {"class": kind, **ends})


def _text(
    parent: Xml.Element, x: float, y: float, text: str, kind: str, anchor: str = "start"
) -> Xml.Element:
    element = Xml.SubElement(
        parent, "text", {"class": kind, "x": f"{x}", "y": f"{y}", "text-anchor": anchor}
    )
    element.text = text
    return element


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def _description(chart: Chart) -> str:
    """Return the measured points as text, for screen readers."""
    lines = [
        f"{series.name}: "
        + ", ".join(f"{_number(point.x)}: {_number(point.y)}" for point in series.points)
        for series in chart.series
        if series.measured
    ]
    return f"{chart.y_name} against {chart.x_name}. " + "; ".join(lines)
