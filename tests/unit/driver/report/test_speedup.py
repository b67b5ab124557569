"""Medians, speed-ups and Amdahl's bound, compared with values calculated by hand."""

from __future__ import annotations

import pytest

from driver.report.speedup import Measured, Spread, amdahl_s, speed_up
from mapreduce.errors import UsageError


def _runs(mappers: int, *seconds: tuple[float, float]) -> list[Measured]:
    return [
        Measured(mappers=mappers, map_s=map_s, end_to_end_s=whole_s) for map_s, whole_s in seconds
    ]


@pytest.mark.parametrize(
    ("fraction", "mappers", "expected"),
    # 1 / (f + (1 - f) / n), by hand; with a serial tenth the speed-up never exceeds ten
    [
        (0.1, 1, 1.0),
        (0.1, 10, 1 / 0.19),
        (0.5, 2, 1 / 0.75),
        (0.0, 7, 7.0),
        (1.0, 7, 1.0),
        (0.1, 10**9, 10.0),
    ],
)
def test_the_bound_is_amdahls(fraction: float, mappers: int, expected: float) -> None:
    """The bound of a run of one second with this serial fraction is Amdahl's."""
    assert expected == pytest.approx(1 / amdahl_s(fraction, 1 - fraction, mappers), rel=1e-6)


def test_levels_are_medians_against_the_median_with_one_mapper() -> None:
    """Medians and speed-ups are relative to one mapper: 8 s of map and 2 s of the rest are 2.5
    times as fast with 4.
    """
    found = speed_up(
        _runs(4, (2.5, 5.0), (2.0, 4.0), (4.0, 8.0))
        + _runs(1, (8.0, 10.0), (7.0, 9.5), (9.0, 20.0))
    )
    assert (2.0, 8.0, 0.2) == (found.serial_s, found.parallel_s, found.serial_fraction)
    one, four = found.levels
    assert (1, 4) == (one.mappers, four.mappers)
    assert (1.0, 1.0, 10.0) == (one.map_speed_up.median, one.bound_speed_up, one.bound_s)
    assert Spread(median=2.5, least=2.0, most=4.0) == four.map_s
    assert Spread(median=3.2, least=2.0, most=4.0) == four.map_speed_up
    assert Spread(median=2.0, least=1.25, most=2.5) == four.speed_up
    assert (4.0, 2.5) == (four.bound_s, four.bound_speed_up)


def test_without_one_mapper_there_is_nothing_to_compare_with() -> None:
    """Without a run with one mapper the comparison is refused."""
    with pytest.raises(UsageError, match="no run with one mapper"):
        speed_up(_runs(2, (1.0, 2.0)))
