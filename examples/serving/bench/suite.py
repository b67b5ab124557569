"""All measurements, and the order in which they run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from examples.serving.bench import batching, life, limits, tail
from examples.serving.bench.verdict import Verdict, exit_code

Measurement = Callable[[int, Callable[[str], None]], list[Verdict]]
MEASUREMENTS: Mapping[str, Measurement] = {
    "overhead": limits.overhead,
    "batches": batching.with_batches,
}
SLOWER: Mapping[str, Callable[[int, Callable[[str], None], float], list[Verdict]]] = {
    "tail": tail.with_a_slow_replica,
    "shares": limits.shares,
    "overload": limits.overload,
    "life": life.through_changes,
}
"""Those whose replicas wait, so that a factor on the waits makes sense."""
NAMES = (*SLOWER, *MEASUREMENTS)


def run(only: Sequence[str] | None, requests: int, slower: float = 1.0) -> int:
    """Run measurements, and print what they find; return 1 if a goal is missed.

    Args:
        only: their names; None for all.
        requests: of each way compared; some take fewer.
        slower: a factor on the waits of replicas and callers. On a machine with other work the
            router's delays are then small against them.
    """
    verdicts: list[Verdict] = []
    for name in NAMES:
        if not only or name in only:
            say(f"[{name}]")
            if name in SLOWER:
                found = SLOWER[name](requests, say, slower)
            else:
                found = MEASUREMENTS[name](requests, say)
            for each in found:
                say(each.line)
            verdicts += found
    return exit_code(verdicts)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
