"""Numbers of workers against kinds of consistency: a table, a figure and verdicts, out of one run.

    python -m examples.parameter_server bench --figure figure.svg

Workers sleep as compute, one micro-batch in ten for ten times as long, so that a machine with few
cores measures what coordination costs and what stragglers do. One fleet carries out all runs, and
only grows between them: nothing is destroyed. A clock has a micro-batch for each worker, as in a
round of a training where every worker pushes once.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from examples.parameter_server.chart import Line, svg
from examples.parameter_server.core.spec import RunSpec, RunStatus
from mapreduce.errors import FleetError, TaskLost, UsageError

WORKERS: Final = (1, 2, 4, 8, 16)
STALENESS: Final = (0, 3, 10, None)
HEAD, TAIL = 0.05, 0.95
"""Between these shares of the gradients the rate is measured: start and last straggler are not."""
START_S: Final = 60.0

Rates = Mapping[tuple[int, int | None], float]
"""Gradients per second, by number of workers and staleness."""
Samples = Sequence[tuple[float, int]]
"""Moments in seconds, and the gradients that are applied by then."""


@dataclass(frozen=True, slots=True)
class Goal:
    """How many times faster one cell of the matrix is to be than another."""

    words: str
    cell: tuple[int, int | None]
    than: tuple[int, int | None]
    least: float


GOALS: Final = (
    Goal("SSP 3 against BSP, 4 workers", (4, 3), (4, 0), 1.3),
    Goal("SSP 3 against BSP, 16 workers", (16, 3), (16, 0), 2.0),
    Goal("ASP against BSP, 4 workers", (4, None), (4, 0), 1.8),
    Goal("ASP against BSP, 16 workers", (16, None), (16, 0), 2.8),
    Goal("16 workers against 1, ASP", (16, None), (1, None), 12.0),
)


class Fleet(Protocol):
    """What the benchmark needs of a fleet."""

    def scale(self, workers: int) -> None:
        """Start workers until there are so many."""

    @property
    def client(self) -> Trainer:
        """Return server 0."""


class Trainer(Protocol):
    """What the benchmark needs of server 0."""

    def status(self) -> RunStatus:
        """Return what it does."""

    def train(self, spec: RunSpec, tell: Callable[[RunStatus], None]) -> RunStatus:
        """Carry out a run; `tell` gets each status."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print the table and the verdicts; return 1 if a goal is missed."""
    from examples.parameter_server.fleet import LocalFleet

    parsed = _parser().parse_args(arguments)
    with LocalFleet(0, expected_workers=1) as fleet:
        rates = measure(fleet, parsed.workers, parsed.staleness, parsed.clocks, parsed.step_s, _say)
    print("\n".join(table(rates)))
    if parsed.figure:
        parsed.figure.write_text(figure(rates), encoding="utf-8")
        _say(f"the figure is in {parsed.figure}")
    found = verdicts(rates)
    print("\n".join(line for line, _ in found))
    return 0 if all(met for _, met in found) else 1


def measure(
    fleet: Fleet,
    workers: Sequence[int],
    staleness: Sequence[int | None],
    clocks: int,
    step_s: float,
    say: Callable[[str], None],
) -> dict[tuple[int, int | None], float]:
    """Return the rate of each cell of the matrix, each from a run of its own.

    Raises:
        FleetError: workers do not start, or a run fails.
    """
    rates = {}
    client = fleet.client
    for count in sorted(workers):
        fleet.scale(count)
        _wait_for(client, count)
        for bound in staleness:
            spec = RunSpec(
                model=f"waiting:{step_s:g}",
                clocks=clocks,
                micro_batches=count,
                staleness=bound,
                checkpoint_every=clocks,
                backups=False,
            )
            rates[count, bound] = _rate_of(client, spec)
            say(f"{_counted(count)}, {mode(bound)}: {rates[count, bound]:.1f} gradients/s")
    return rates


def _rate_of(client: Trainer, spec: RunSpec) -> float:
    samples: list[tuple[float, int]] = []
    status = client.train(spec, lambda now: samples.append((time.monotonic(), now.counts.applied)))
    if status.state != "done":
        raise FleetError(f"the run has failed: {status.problem}")
    return rate(samples, spec.clocks * spec.micro_batches)


def _wait_for(client: Trainer, workers: int) -> None:
    end_s = time.monotonic() + START_S
    while _workers(client) != workers:
        if time.monotonic() > end_s:
            raise FleetError(f"{_counted(workers)} not there after {START_S:g} s")
        time.sleep(0.1)


def _counted(workers: int) -> str:
    return "1 worker" if workers == 1 else f"{workers} workers"


def _workers(client: Trainer) -> int:
    try:
        return client.status().workers
    except TaskLost:
        return -1  # the server is starting


def rate(samples: Samples, total: int) -> float:
    """Return the gradients per second between HEAD and TAIL of a run.

    Args:
        samples: what was applied when, in order.
        total: gradients of the run.

    Raises:
        UsageError: the run was over before it could be measured.
    """
    begin_s, end_s = (_moment(samples, share * total) for share in (HEAD, TAIL))
    if end_s <= begin_s:
        raise UsageError("the runs are too short to measure; raise --clocks or --step-s")
    return (TAIL - HEAD) * total / (end_s - begin_s)


def _moment(samples: Samples, applied: float) -> float:
    """Return when so many gradients were applied, on a line between two samples."""
    before = samples[0]
    for after in samples:
        if after[1] >= applied:
            if after[1] == before[1]:
                return after[0]
            share = (applied - before[1]) / (after[1] - before[1])
            return before[0] + share * (after[0] - before[0])
        before = after
    return samples[-1][0]


def mode(staleness: int | None) -> str:
    """Return the name of a kind of consistency."""
    if staleness is None:
        return "ASP"
    return f"SSP {staleness}" if staleness else "BSP"


def table(rates: Rates) -> list[str]:
    """Return the matrix as lines of Markdown: gradients per second, and against BSP."""
    workers = sorted({count for count, _ in rates})
    bounds = list(dict.fromkeys(bound for _, bound in rates))
    lines = [
        "| workers | " + " | ".join(mode(bound) for bound in bounds) + " |",
        "|---" * (len(bounds) + 1) + "|",
    ]
    for count in workers:
        cells = []
        for bound in bounds:
            cell = f"{rates[count, bound]:.1f}/s"
            if bound != 0 and (count, 0) in rates:
                cell += f" ({rates[count, bound] / rates[count, 0]:.2f} x)"
            cells.append(cell)
        lines.append(f"| {count} | " + " | ".join(cells) + " |")
    return lines


def verdicts(rates: Rates) -> list[tuple[str, bool]]:
    """Return a line for each goal whose cells were measured, and whether it is met."""
    found = []
    for goal in GOALS:
        if goal.cell in rates and goal.than in rates:
            ratio = rates[goal.cell] / rates[goal.than]
            met = ratio >= goal.least
            word = "met" if met else "MISSED"
            found.append((f"{goal.words}: {ratio:.2f} x, goal {goal.least:g} x: {word}", met))
    return found


def figure(rates: Rates) -> str:
    """Return the matrix as an SVG file: how many times one worker's rate, by number of workers."""
    workers = sorted({count for count, _ in rates})
    bounds = list(dict.fromkeys(bound for _, bound in rates))
    one = rates[workers[0], bounds[0]] / workers[0]
    lines = [
        Line(mode(bound), tuple((count, rates[count, bound] / one) for count in workers))
        for bound in bounds
    ]
    ideal = Line("ideal", tuple((count, float(count)) for count in workers), measured=False)
    return svg(
        "Workers that wait, one step in ten 10 x longer",
        "workers",
        f"times the rate of 1 worker ({mode(bounds[0])})",
        [*lines, ideal],
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.parameter_server bench")
    parser.add_argument(
        "--workers", type=_counts, default=WORKERS, help="numbers of workers (default 1,2,4,8,16)"
    )
    parser.add_argument(
        "--staleness",
        type=_bounds,
        default=STALENESS,
        help="bounds: 0 is BSP, none is ASP (default 0,3,10,none)",
    )
    parser.add_argument("--clocks", type=int, default=40, help="of each run (default 40)")
    parser.add_argument(
        "--step-s", type=float, default=0.1, help="how long a step takes, in seconds (default 0.1)"
    )
    parser.add_argument("--figure", type=Path, help="SVG file to write")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    values = tuple(int(each) if each.isdecimal() else 0 for each in text.split(","))
    if min(values) < 1:
        raise argparse.ArgumentTypeError("write whole numbers from 1 on, with commas between them")
    return values


def _bounds(text: str) -> tuple[int | None, ...]:
    words = text.split(",")
    if not all(each == "none" or each.isdecimal() for each in words):
        raise argparse.ArgumentTypeError("write clocks or none, with commas between them")
    return tuple(None if each == "none" else int(each) for each in words)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
