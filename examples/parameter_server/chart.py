"""Draw lines as one self-contained SVG file, for light and dark pages. It knows no data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 600, 60, 384
"""The edges of the area between the axes; names of lines stand right of it."""
COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Told apart by colour-blind readers too (Okabe and Ito)."""
GREY: Final = "#808080"
NAME_PX: Final = 15
_STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:15px;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points: solid for measured ones, else dashed and grey."""

    name: str
    points: tuple[tuple[float, float], ...]
    measured: bool = True


def svg(title: str, x_name: str, y_name: str, lines: Sequence[Line]) -> str:
    """Return the text of an SVG file; both axes begin at 0, with a mark at each x of the points."""
    x_most = max(x for line in lines for x, _ in line.points)
    y_marks = marks(max(y for line in lines for _, y in line.points))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            round(LEFT + x / x_most * (RIGHT - LEFT), 1),
            round(BOTTOM - y / y_marks[-1] * (BOTTOM - TOP), 1),
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        _text(LEFT, 28, title, "start", "title"),
        _text(LEFT, 48, y_name, "start"),
        _text((LEFT + RIGHT) / 2, BOTTOM + 42, x_name, "middle"),
    ]
    for y in y_marks:
        height = place(0, y)[1]
        parts.append(
            f'<path d="M{LEFT} {height}H{RIGHT}" stroke="{GREY}" stroke-opacity=".25"/>'
            + _text(LEFT - 8, height + 4, f"{y:g}", "end")
        )
    for x in sorted({x for line in lines for x, _ in line.points}):
        parts.append(_text(place(x, 0)[0], BOTTOM + 20, f"{x:g}", "middle"))
    ends = [place(*line.points[-1])[1] for line in lines]
    for number, (line, height) in enumerate(zip(lines, spread(ends, NAME_PX), strict=True)):
        colour = COLOURS[number % len(COLOURS)] if line.measured else GREY
        parts.append(_drawn(line.name, [place(*point) for point in line.points], line, colour))
        parts.append(_text(RIGHT + 10, height + 4, line.name, "start", fill=colour))
    return "\n".join([*parts, "</svg>", ""])


def marks(most: float) -> list[float]:
    """Return round numbers from 0 to at least `most`: steps of 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(most / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * 5 >= most * 0.999)
    return [round(step * number, 9) for number in range(math.ceil(most / step - 1e-9) + 1)]


def spread(heights: Sequence[float], least: float) -> list[float]:
    """Return heights with at least some pixels between any two, in the same order.

    The lowest on the page stays; those above it give way upwards.
    """
    placed: dict[int, float] = {}
    limit = math.inf
    for number in sorted(range(len(heights)), key=lambda each: -heights[each]):
        placed[number] = min(heights[number], limit)
        limit = placed[number] - least
    return [placed[number] for number in range(len(heights))]


def _drawn(name: str, points: list[tuple[float, float]], line: Line, colour: str) -> str:
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    dashes = "" if line.measured else ' stroke-dasharray="5 4"'
    drawn = f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    dots = [
        f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"><title>{escape(name)}: '
        f"{value:.3g} at {at:g}</title></circle>"
        for (x, y), (at, value) in zip(points, line.points, strict=True)
        if line.measured
    ]
    return drawn + "".join(dots)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "", fill: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    coloured = f' style="fill:{fill}"' if fill else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{named}{coloured}>{escape(text)}</text>'
