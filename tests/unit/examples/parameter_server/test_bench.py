"""The benchmark: rates of samples, the table, the verdicts and the figure; no process."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from examples.parameter_server import bench
from examples.parameter_server.core.spec import Counts, RunSpec, RunStatus
from mapreduce.errors import FleetError, TaskLost, UsageError

RATES: dict[tuple[int, int | None], float] = {
    (1, 0): 5.0,
    (1, None): 5.0,
    (16, 0): 20.0,
    (16, 3): 42.0,
    (16, None): 50.0,
}


def test_a_rate_counts_neither_start_nor_tail() -> None:
    """10 gradients a second between 5 % and 95 %, whatever was before and after."""
    steady = [(100.0 + at / 10, at) for at in range(5, 96)]
    samples = [(0.0, 0), (90.0, 0), *steady, (200.0, 99), (300.0, 100)]
    assert pytest.approx(10.0) == bench.rate(samples, 100)


def test_a_rate_lies_between_samples() -> None:
    """Few samples are joined by lines: 0 to 100 in 10 s are 10 a second."""
    assert pytest.approx(10.0) == bench.rate([(0.0, 0), (10.0, 100)], 100)


def test_a_run_that_is_over_at_once_has_no_rate() -> None:
    """The message says which options make runs longer."""
    with pytest.raises(UsageError, match="--clocks"):
        bench.rate([(1.0, 100)], 100)


def test_the_table_has_a_cell_for_each_run() -> None:
    """Gradients per second, and how many times BSP of as many workers."""
    rates: dict[tuple[int, int | None], float] = {
        (1, 0): 5.0,
        (1, None): 6.0,
        (4, 0): 8.0,
        (4, None): 20.0,
    }
    assert [
        "| workers | BSP | ASP |",
        "|---|---|---|",
        "| 1 | 5.0/s | 6.0/s (1.20 x) |",
        "| 4 | 8.0/s | 20.0/s (2.50 x) |",
    ] == bench.table(rates)


def test_a_verdict_for_each_goal_that_was_measured() -> None:
    """Met and missed are told, and goals without their cells are left out."""
    found = dict(bench.verdicts(RATES))
    assert {
        "SSP 3 against BSP, 16 workers: 2.10 x, goal 2 x: met": True,
        "ASP against BSP, 16 workers: 2.50 x, goal 2.8 x: MISSED": False,
        "16 workers against 1, ASP: 10.00 x, goal 12 x: MISSED": False,
    } == found


def test_the_figure_has_a_line_for_each_mode() -> None:
    """And the ideal beside them."""
    text = bench.figure({cell: rate for cell, rate in RATES.items() if cell != (16, 3)})
    assert all(f">{name}</text>" in text for name in ("BSP", "ASP", "ideal"))


class _Fleet:
    """A fleet whose runs apply ten gradients a second for each worker."""

    def __init__(self, seconds: Iterator[float], state: str = "done") -> None:
        self.scaled: list[int] = []
        self.is_up = False
        self.specs: list[RunSpec] = []
        self._seconds, self._state = seconds, state

    @property
    def client(self) -> _Fleet:
        return self

    def scale(self, workers: int) -> None:
        self.scaled.append(workers)

    def status(self) -> RunStatus:
        if not self.is_up:  # the first question comes before the server answers
            self.is_up = True
            raise TaskLost("no answer")
        return RunStatus(workers=self.scaled[-1])

    def train(self, spec: RunSpec, tell: Callable[[RunStatus], None]) -> RunStatus:
        self.specs.append(spec)
        for applied in range(spec.clocks * spec.micro_batches + 1):
            tell(RunStatus(counts=Counts(applied=applied)))
        return RunStatus.model_validate({"state": self._state, "problem": "why"})


def test_one_fleet_carries_out_the_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    """It grows from run to run; each run has a micro-batch a worker, and no backups."""
    seconds = (at / 10 for at in range(10_000))
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    monkeypatch.setattr("time.sleep", lambda _: None)
    fleet = _Fleet(seconds)
    said: list[str] = []
    rates = bench.measure(fleet, (4, 1), (0, None), 10, 0.02, said.append)
    assert [1, 4] == fleet.scaled
    assert [(1, 0), (1, None), (4, 0), (4, None)] == list(rates)
    assert all(pytest.approx(10.0) == rate for rate in rates.values())
    assert [1, 1, 4, 4] == [spec.micro_batches for spec in fleet.specs]
    assert [0, None, 0, None] == [spec.staleness for spec in fleet.specs]
    assert {("waiting:0.02", False, 10)} == {
        (spec.model, spec.backups, spec.clocks) for spec in fleet.specs
    }
    assert 4 == len(said)


def test_a_failed_run_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the run's own reason."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(FleetError, match="why"):
        bench.measure(_Fleet(iter(()), "failed"), (1,), (0,), 10, 0.02, print)


@pytest.mark.parametrize("words", [["--workers", "0"], ["--workers", "a"], ["--staleness", "-1"]])
def test_wrong_options_are_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what may be written, before a process is started."""
    with pytest.raises(SystemExit):
        bench.main(words)
    assert "with commas" in capsys.readouterr().err
