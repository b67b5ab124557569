"""The figure of the benchmark: round marks, names that do not touch, and a well-formed file."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.parameter_server.chart import Line, marks, spread, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (16.0, [0, 5, 10, 15, 20]),
        (1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (33.0, [0, 10, 20, 30, 40]),
        (0.0, [0, 1]),
    ],
)
def test_marks_are_round(most: float, expected: list[float]) -> None:
    """They go from 0 to at least the largest value."""
    assert expected == marks(most)


@given(st.floats(1e-3, 1e6))
def test_marks_reach_the_largest_value_and_are_few(most: float) -> None:
    """At most seven marks, and the last is not far above."""
    found = marks(most)
    assert found[0] == 0
    assert most * 0.999 <= found[-1] <= most * 2.5
    assert 2 <= len(found) <= 7


@given(st.lists(st.floats(0, 400), max_size=6))
def test_names_of_lines_do_not_touch(heights: list[float]) -> None:
    """At least 15 pixels are between any two, and the order stays."""
    placed = spread(heights, 15)
    ordered = sorted(placed)
    assert all(after - before >= 14.999 for before, after in pairwise(ordered))
    assert all(new <= old for new, old in zip(placed, heights, strict=True))


def test_the_file_has_the_lines_and_their_names() -> None:
    """A measured line is solid with a dot for each point; a computed one is dashed without."""
    text = svg(
        "A <title>",
        "workers",
        "times",
        [
            Line("BSP", ((1.0, 1.0), (16.0, 4.0))),
            Line("ideal", ((1.0, 1.0), (16.0, 16.0)), measured=False),
        ],
    )
    root = ElementTree.fromstring(text)
    paths = [each for each in root.iter(f"{SVG}path") if each.get("fill") == "none"]
    assert [None, "5 4"] == [each.get("stroke-dasharray") for each in paths]
    assert 2 == len(list(root.iter(f"{SVG}circle")))
    assert {"A <title>", "workers", "times", "BSP", "ideal", "1", "16", "0", "20"} <= {
        each.text for each in root.iter(f"{SVG}text")
    }
    assert "http://www.w3.org/2000/svg" == root.tag.partition("}")[0][1:]
