"""A chart is well-formed SVG with every measured point in its place, whatever its texts are."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import pytest

from driver.report.chart import Chart, Point, Series, svg, ticks
from driver.report.figures import end_to_end, map_stage
from driver.report.speedup import Measured, speed_up

SVG = "{http://www.w3.org/2000/svg}"
FOUND = speed_up(
    Measured(mappers=mappers, map_s=8 / mappers + extra, end_to_end_s=10 / mappers + 2 + extra)
    for mappers in (1, 2, 10)
    for extra in (0.0, 0.5, 1.0)
)


def _drawn(chart: Chart) -> Xml.Element:
    return Xml.fromstring(svg(chart))


def _measured(root: Xml.Element) -> list[Xml.Element]:
    return [group for group in root.iter(f"{SVG}g") if group.get("class") == "measured"]


@pytest.mark.parametrize(("draw", "lines"), [(map_stage, 2), (end_to_end, 1)])
def test_each_figure_has_its_points_and_their_spread(draw: object, lines: int) -> None:
    """Each line has a point for each number of mappers, with a bar from the least to the greatest
    value.
    """
    assert callable(draw)
    groups = _measured(_drawn(draw(FOUND, "a job", 2)))
    assert lines == len(groups)
    for group in groups:
        (line,) = group.iter(f"{SVG}polyline")
        assert 3 == len(line.get("points", "").split())
        titles = [title.text or "" for title in group.iter(f"{SVG}title")]
        assert ["1", "2", "10"] == [text.partition(", ")[2].partition(":")[0] for text in titles]
        assert 9 == len(list(group.iter(f"{SVG}line")))


def test_the_place_of_a_point() -> None:
    """A point's place is proportional to its values."""
    points = (Point(1, 5, 5, 5), Point(2, 10, 10, 10))
    (group,) = _measured(_drawn(Chart("", "", "", "", (Series("a", points),))))
    (first_x, first_y), (second_x, second_y) = [
        (float(dot.get("cx", 0)), float(dot.get("cy", 0))) for dot in group.iter(f"{SVG}circle")
    ]
    left, bottom, top = 64, 384, 92
    assert second_x - left == pytest.approx(2 * (first_x - left), abs=0.2)
    assert (bottom - top) / 2 == pytest.approx(bottom - first_y, abs=0.1)
    assert top == pytest.approx(second_y, abs=0.1)


def test_no_text_becomes_markup() -> None:
    """A text with markup is shown as text."""
    evil = '</text><script>alert("1")</script>&'
    root = _drawn(
        Chart(evil, evil, evil, evil, (Series(evil, (Point(1, 1, 1, 1),)),), mark=(1, evil))
    )
    assert not list(root.iter(f"{SVG}script"))
    assert 6 == len([text for text in root.iter(f"{SVG}text") if text.text == evil])


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (10, [0, 2, 4, 6, 8, 10]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.033, [0, 0.01, 0.02, 0.03, 0.04]),
        (28.9, [0, 5, 10, 15, 20, 25, 30]),
        (0, [0, 1]),
    ],
)
def test_ticks_are_round_and_reach_the_greatest_value(most: float, expected: list[float]) -> None:
    """Ticks have steps of 1, 2 or 5, and reach the greatest value."""
    assert expected == ticks(most)
