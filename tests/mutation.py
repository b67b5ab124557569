"""`python -m tests.mutation`: how many of mutmut's small changes the unit tests notice, file by
file.

It reads what `mutmut run` has left, lists each change that no test notices, and never fails:
whether such a change matters is argued in tests/mutation.md.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

NOTICED = frozenset({"killed", "timeout", "segfault", "suspicious"})


def scores(lines: list[str]) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return the states of each module's changes, and the names of those that were not noticed.

    Args:
        lines: of `mutmut results --all true`, such as `driver.plan.tasks.x_f__mutmut_1: survived`.
    """
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    unnoticed = []
    for line in lines:
        name, _, state = line.strip().partition(": ")
        if "__mutmut_" in name:
            states[name.rpartition(".")[0]][state] += 1
            unnoticed += [] if state in NOTICED else [f"{name}: {state}"]
    return dict(states), unnoticed


def main() -> None:
    """Print the score of each module, and what was not noticed."""
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    states, unnoticed = scores(done.stdout.splitlines())
    for module, counted in sorted(states.items()):
        noticed = sum(counted[state] for state in NOTICED)
        share = 100 * noticed / counted.total()
        sys.stdout.write(f"{module:32} {noticed:4} of {counted.total():4} = {share:5.1f} %\n")
    sys.stdout.writelines(f"{each}\n" for each in unnoticed)


if __name__ == "__main__":
    main()
