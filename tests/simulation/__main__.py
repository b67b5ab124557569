"""Simulate many seeds, or one seed with its events: `python -m tests.simulation`.

With `--drivers` each seed is a run whose drivers are killed, suspended and doubled.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.simulation.drivers import simulate_drivers
from tests.simulation.simulate import Verdict, simulate


def main() -> int:
    """Simulate seeds; return 1 if one broke a law."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one, and all of it")
    parser.add_argument("--drivers", action="store_true", help="the drivers of a run")
    options = parser.parse_args()
    if options.drivers:
        one = options.seed is not None
        first, seeds = (options.seed, 1) if one else (options.first, options.seeds)
        return _drivers(range(first, first + seeds), whole=one)
    if options.seed is not None:
        verdict = simulate(options.seed)
        _say(verdict, whole=True)
        return 1 if verdict.broken else 0
    began = time.monotonic()
    ends: Counter[str] = Counter()
    struck: Counter[str] = Counter()
    virtual_s, broken = 0.0, 0
    for seed in range(options.first, options.first + options.seeds):
        verdict = simulate(seed)
        ends[f"{verdict.weather.mood}: {verdict.end}"] += 1
        struck.update(verdict.struck)
        virtual_s += verdict.virtual_s
        if verdict.broken:
            broken += 1
            _say(verdict, whole=False)
    print(
        f"{options.seeds} seeds, {virtual_s / 3600:.0f} virtual hours in "
        f"{time.monotonic() - began:.0f} s"
    )
    print("ends:", ", ".join(f"{end} {count}" for end, count in sorted(ends.items())))
    print("faults:", ", ".join(f"{name} {count}" for name, count in sorted(struck.items())))
    print(f"{options.seeds - broken} passed, {broken} failed")
    return 1 if broken else 0


def _drivers(seeds: range, *, whole: bool) -> int:
    began, broken = time.monotonic(), 0
    epochs: Counter[int] = Counter()
    for seed in seeds:
        outcome = simulate_drivers(seed)
        epochs[outcome.epochs] += 1
        broken += bool(outcome.broken)
        if outcome.broken or whole:
            print(f"seed {seed}: {outcome.broken[:5]}\n  {outcome.struck}")
    print(f"{len(seeds)} seeds in {time.monotonic() - began:.0f} s, {broken} failed")
    print("epochs:", ", ".join(f"{number} in {count}" for number, count in sorted(epochs.items())))
    return 1 if broken else 0


def _say(verdict: Verdict, *, whole: bool) -> None:
    print(
        f"seed {verdict.seed} ({verdict.weather.mood}) ended with {verdict.end} after "
        f"{verdict.virtual_s:.0f} s"
    )
    for law in verdict.broken[:5]:
        print(f"  {law}")
    if whole:
        print(f"  {verdict.weather}\n  {verdict.words}\n  {verdict.struck}")
    elif verdict.broken:
        print(f"  again: python -m tests.simulation --seed {verdict.seed}")


if __name__ == "__main__":
    sys.exit(main())
