"""How earlier runs came out, and what later forecasts take from them."""

from __future__ import annotations

import math

import pytest

from driver.forecast.document import Forecast
from driver.forecast.past import KEPT_RUNS, JobHistory, PastRun, measured, past_run, spreads
from driver.forecast.receipt import ForecastLine, Range
from driver.forecast.receipts import Account, receipt_lines
from driver.plan import events
from driver.plan.outcomes import Volumes

FORECAST = Forecast(
    job="J",
    target="local",
    place="here",
    inputs=1,
    size_bytes=10,
    cut="",
    partitions=1,
    basis="sample",
    raw={"end_to_end": 10.0, "map": 5.0},
    lines=(ForecastLine(name="end_to_end", unit="s", expected=Range(low=8, high=12)),),
)


def _past(run: str, **more: object) -> PastRun:
    return PastRun(run=run, at=0.0, size_bytes=1).model_copy(update=more)


def _done(task: str, size: int, seconds: float, out: int, read: int = 0) -> events.AttemptDone:
    return events.AttemptDone(
        at=1.0,
        task=task,
        attempt=1,
        endpoint="a",
        seconds=seconds,
        size_bytes=size,
        volumes=Volumes(bytes_in=read, bytes_out=out, peak_memory_bytes=1000),
    )


def test_the_last_twenty_runs_stay() -> None:
    """The oldest leaves, and a run that is added again is there once."""
    history = JobHistory()
    for number in range(KEPT_RUNS + 5):
        history = history.with_run(_past(f"run-{number}"))
    history = history.with_run(_past("run-10"))
    assert KEPT_RUNS == len(history.runs)
    assert ["run-24", "run-10"] == [run.run for run in history.runs[-2:]]


def test_how_many_forecasts_held() -> None:
    """Runs without a forecast do not count."""
    held = JobHistory(runs=(_past("a", held=True), _past("b", held=False), _past("c"))).held
    assert (1, 2) == held


def test_ratios_are_those_of_forecasts_alike() -> None:
    """Two runs from a sample took 2 and 3 times as long; one from earlier runs does not count."""
    runs = (
        _past("a", basis="sample", raw={"map": 1.0}, actual={"map": 2.0}),
        _past("b", basis="sample", raw={"map": 1.0, "reduce": 1.0}, actual={"map": 3.0}),
        _past("c", basis="earlier runs", raw={"map": 1.0}, actual={"map": 50.0}),
        _past("d", basis="sample", cold=True, raw={"map": 1.0}, actual={"map": 50.0}),
    )
    alike = JobHistory(runs=runs).forecasts("sample", cold=False)
    assert ["a", "b"] == [run.run for run in alike]
    found = spreads(alike, {"map": 1.0, "reduce": 1.0, "commit": 1.0})
    assert ["map"] == list(found)
    assert pytest.approx(6.0**0.5) == found["map"].middle


def test_a_run_of_the_same_size_says_the_most() -> None:
    """A small run took four times its forecast, and a large one what was forecast."""
    runs = [
        _past("small", basis="sample", raw={"map": 1.0}, actual={"map": 4.0}),
        _past("large", basis="sample", raw={"map": 100.0}, actual={"map": 100.0}),
    ]
    small, middle, large = (spreads(runs, {"map": raw})["map"].middle for raw in (1, 10, 100))
    assert 4 > small > middle > large > 1
    half = 0.5 * (1 - (1 + math.log(10)) ** -2)  # of a run that came out as forecast
    assert pytest.approx(4.0 ** (1 / (2 + half))) == middle
    assert large < 1.1


def test_figures_are_measured_from_a_runs_tasks() -> None:
    """Two maps of 100 and 300 bytes, and a reduce of what they wrote."""
    figures = measured(
        [
            _done("map-0", 100, 2.0, 50),
            _done("map-1", 300, 4.0, 150),
            _done("reduce-0", 9, 3.0, 7, 200),
        ]
    )
    assert figures is not None
    assert figures.reduce is not None
    assert pytest.approx(7.0) == figures.map.seconds.at(600)
    assert pytest.approx(6.0) == figures.reduce.seconds.at(400)
    assert measured([_done("reduce-0", 9, 3.0, 7)]) is None


def test_the_newest_figures_are_of_the_same_code() -> None:
    """A change of the code makes the measured figures useless."""
    old, new = (measured([_done("map-0", 100, seconds, 1)]) for seconds in (1.0, 2.0))
    runs = (_past("a", figures=old, code="x"), _past("b", figures=new, code="y"))
    history = JobHistory(runs=runs)
    assert (old, new, None) == tuple(map(history.newest_figures, ("x", "y", "z")))


def test_a_finished_run_is_kept_with_its_forecast() -> None:
    """Raw values beside what came, and whether the time lay in its range."""
    receipt = (
        Account(began=0.0)
        .receipt("run-1", [])
        .model_copy(update={"lines": receipt_lines({"end_to_end": 11.0, "map": 5.5}, FORECAST)})
    )
    kept = past_run(receipt, FORECAST, [], 1.0, 10, "code", cold=False)
    assert ("sample", True, "code") == (kept.basis, kept.held, kept.code)
    assert {"end_to_end": 11.0, "map": 5.5} == kept.actual
    assert FORECAST.raw == kept.raw
