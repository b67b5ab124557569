"""The time axis of a run: long idle stretches take little of it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from driver.report.chart import ticks

GAP_S = 30.0
"""An idle stretch longer than this is compressed."""
GAP_SHARE = 0.04
"""How wide it is then, as a share of all other time."""
TICKS = 6
_STEPS = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """Places times between 0 and 100, in percent of the width.

    Attributes:
        began: the time at 0, in seconds since the epoch.
        edges: times between which the axis is linear, in order.
        places: the place of each edge.
        gaps: the compressed stretches.
    """

    began: float
    edges: tuple[float, ...]
    places: tuple[float, ...]
    gaps: tuple[Span, ...]

    def place(self, at: float) -> float:
        """Return the place of a time; one beyond an end is placed at that end."""
        at = min(max(at, self.edges[0]), self.edges[-1])
        piece = min(bisect_right(self.edges, at), len(self.edges) - 1)
        start, end = self.edges[piece - 1], self.edges[piece]
        share = (at - start) / (end - start) if end > start else 0.0
        low, high = self.places[piece - 1], self.places[piece]
        return round(low + share * (high - low), 2)

    @property
    def ticks(self) -> list[Span]:
        """The marks on the axis, none in a gap: place, and seconds since the beginning."""
        shown = sum(end - start for start, end in pairwise(self.edges)) - sum(
            end - start for start, end in self.gaps
        )
        step = _step(max(shown, 1e-3))
        last = self.edges[-1] - self.began
        found: list[Span] = []
        for start, end in _without(self.gaps, (self.began, self.edges[-1])):
            number = -int(-(start - self.began) // step)
            while number * step <= min(end - self.began, last):
                found.append((self.place(self.began + number * step), number * step))
                number += 1
        return [each for n, each in enumerate(found) if not n or each[0] - found[n - 1][0] > 3]


def axis(began: float, ended: float, busy: Iterable[Span]) -> Axis:
    """Return the axis from one time to another; what lies outside of `busy` may be compressed."""
    ended = max(ended, began + 1e-3)
    gaps = tuple(
        (start, end)
        for start, end in _without(_joined(busy), (began, ended))
        if end - start > GAP_S
    )
    left = (ended - began) - sum(end - start for start, end in gaps)
    wide = GAP_SHARE * max(left, 1.0)
    edges = sorted({began, ended, *(edge for gap in gaps for edge in gap)})
    lengths = [wide if (start, end) in gaps else end - start for start, end in pairwise(edges)]
    total = sum(lengths)
    places = [0.0, *(length / total * 100 for length in accumulate(lengths))]
    return Axis(began, tuple(edges), tuple(places), gaps)


def _step(seconds: float) -> float:
    """Return the distance of two marks on an axis of some length: round in minutes and hours."""
    least = seconds / TICKS
    if least <= 20:
        return ticks(seconds, TICKS)[1]
    return next((step for step in _STEPS if step >= least), ticks(seconds / 3600)[1] * 3600)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans that do not touch, in order, which cover the same times."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _without(spans: Sequence[Span], whole: Span) -> list[Span]:
    """Return what is left of the whole without some spans, which are in order."""
    found, at = [], whole[0]
    for start, end in spans:
        if start > at:
            found.append((at, min(start, whole[1])))
        at = max(at, end)
    if at < whole[1]:
        found.append((at, whole[1]))
    return found
