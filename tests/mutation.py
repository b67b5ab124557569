"""Report how many of mutmut's mutations the unit tests notice, by file: `python -m tests.mutation`.

It reads the results of `mutmut run`, lists the surviving mutations, and never fails:
tests/mutation.md argues for each.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict

NOTICED = frozenset({"killed", "timeout", "segfault", "suspicious"})


def scores(lines: list[str]) -> tuple[dict[str, Counter[str]], list[str]]:
    """Return the states of each module's mutations, and the names of those that survived.

    Args:
        lines: the output of `mutmut results --all true`, such as `driver.plan.tasks.x_f__mutmut_1:
        survived`.
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
    """Print the score of each module, and the surviving mutations."""
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
