"""Hold forecasts against runs: `python -m bench.forecast`.

Ten runs of three jobs over inputs of 1 MB to 1 GB, in one new store. Each is planned, so sampled
and forecast from the earlier runs of its job in that store, and then carried out by `run --plan`.
The answer says how many took a time in their range, and how wide the ranges were. It ends with code
1 when fewer than eight of ten held, or when after three runs of a job a range's high end is more
than twice its low end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.corpus import Corpus

MB = 1_000_000
CASES = (
    ("word_count", 1),
    ("inverted_index", 1),
    ("sort", 1),
    ("word_count", 10),
    ("inverted_index", 4),
    ("sort", 30),
    ("word_count", 100),
    ("inverted_index", 30),
    ("word_count", 1000),
    ("word_count", 300),
)
"""Job and megabytes of each run, in their order."""
LEAST_HELD = 8
LEARNED = 3
"""Runs of a job after which its ranges are narrow."""
MOST_WIDE = 2.0


@dataclass(frozen=True, slots=True)
class Held:
    """One run: the range of its time in seconds, and the time."""

    job: str
    megabytes: int
    earlier_runs: int
    low: float
    high: float
    actual: float

    @property
    def held(self) -> bool:
        """Whether the time lay in the range."""
        return self.low <= self.actual <= self.high

    @property
    def is_narrow(self) -> bool:
        """Whether the range is as narrow as its earlier runs let it be."""
        return self.earlier_runs < LEARNED or self.high <= MOST_WIDE * self.low * 1.001


def driver(*arguments: str) -> Any:
    """Return the JSON document that a command of the driver prints."""
    command = [sys.executable, "-m", "driver", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def measure(job: str, megabytes: int, inputs: Path, store: Path) -> Held:
    """Plan a run, carry the plan out, and return its range and its time."""
    text = Corpus("text", megabytes * MB).made_in(inputs)
    where = ("--store", str(store))
    planned = driver("plan", str(text), "--job", job, "--target", "local", *where)
    run = driver("run", "--plan", planned["run"], *where)
    (line,) = [each for each in run["receipt"]["lines"] if each["name"] == "end_to_end"]
    expected = line["expected"]
    return Held(
        job=job,
        megabytes=megabytes,
        earlier_runs=planned["earlier_runs"],
        low=expected["low"],
        high=expected["high"],
        actual=line["actual"],
    )


def cases(most: int) -> list[tuple[str, int]]:
    """Return the cases with inputs of at most `most` megabytes, no two runs of a job over the same:
    the second would reuse the first.
    """
    found: list[tuple[str, int]] = []
    for job, megabytes in CASES:
        size = min(megabytes, most)
        while size > 1 and (job, size) in found:
            size = size * 3 // 4
        found.append((job, size))
    return found


def verdict(found: Sequence[Held]) -> list[str]:
    """Return what is not as it should be; nothing when all is."""
    held = sum(each.held for each in found)
    wrong = [f"{each.job}, {each.megabytes} MB: {each.low:.1f}-{each.high:.1f} s is too wide"
             for each in found if not each.is_narrow]  # fmt: skip
    least = LEAST_HELD * len(found) / 10
    return [*wrong, *([f"only {held} of {len(found)} held"] if held < least else [])]


def main() -> int:
    """Measure all cases up to a size; return 1 when the forecasts are not good enough."""
    parser = argparse.ArgumentParser(prog="python -m bench.forecast")
    parser.add_argument("--most", type=int, default=1000, help="megabytes of the largest input")
    parser.add_argument("--inputs", type=Path, default=Path("build/bench/inputs"))
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    store = Path(tempfile.mkdtemp(prefix="mapreduce-forecast-"))
    found: list[Held] = []
    try:
        for job, megabytes in cases(options.most):
            each = measure(job, megabytes, options.inputs, store)
            found.append(each)
            print(
                f"{job:<15} {megabytes:>5} MB  {each.low:6.1f}-{each.high:6.1f} s  "
                f"took {each.actual:6.1f} s  {'in range' if each.held else 'OUT OF RANGE'}"
                f"  ({each.earlier_runs} earlier)",
                flush=True,
            )
    finally:
        shutil.rmtree(store, ignore_errors=True)
    by_job = Counter(each.job for each in found if each.held)
    print(f"{sum(by_job.values())} of {len(found)} in range")
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1))
    wrong = verdict(found)
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
