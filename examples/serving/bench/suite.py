"""All measurements, and the order in which they run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from examples.serving.bench import batching, life, limits, tail

Measurement = Callable[[int, Callable[[str], None]], None]
MEASUREMENTS: Mapping[str, Measurement] = {
    "tail": tail.with_a_slow_replica,
    "overhead": limits.overhead,
    "shares": limits.shares,
    "overload": limits.overload,
    "batches": batching.with_batches,
    "life": life.through_changes,
}
NAMES = tuple(MEASUREMENTS)


def run(only: Sequence[str] | None, requests: int) -> int:
    """Run measurements, and print what they find; return 0.

    Args:
        only: their names; None for all.
        requests: of each way compared; some take fewer.
    """
    for name, measure in MEASUREMENTS.items():
        if not only or name in only:
            say(f"[{name}]")
            measure(requests, say)
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
