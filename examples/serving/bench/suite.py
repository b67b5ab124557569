"""All measurements, and the order in which they run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from examples.serving.bench import batching, life, limits, tail

Measurement = Callable[[int, Callable[[str], None]], None]
MEASUREMENTS: Mapping[str, Measurement] = {
    "overhead": limits.overhead,
    "batches": batching.with_batches,
}
SLOWER: Mapping[str, Callable[[int, Callable[[str], None], float], None]] = {
    "tail": tail.with_a_slow_replica,
    "shares": limits.shares,
    "overload": limits.overload,
    "life": life.through_changes,
}
"""Those whose replicas wait, so that a factor on the waits makes sense."""
NAMES = (*SLOWER, *MEASUREMENTS)


def run(only: Sequence[str] | None, requests: int, slower: float = 1.0) -> int:
    """Run measurements, and print what they find; return 0.

    Args:
        only: their names; None for all.
        requests: of each way compared; some take fewer.
        slower: a factor on the waits of replicas and callers. On a machine with other work the
            router's delays are then small against them.
    """
    for name in NAMES:
        if not only or name in only:
            say(f"[{name}]")
            if name in SLOWER:
                SLOWER[name](requests, say, slower)
            else:
                MEASUREMENTS[name](requests, say)
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
