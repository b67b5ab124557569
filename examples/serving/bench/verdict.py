"""What a measurement has found, beside what it should have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal of a measurement.

    Attributes:
        what: is measured.
        found: the number.
        least, most: the goal, as a range.
    """

    what: str
    found: float
    least: float = float("-inf")
    most: float = float("inf")

    @property
    def is_met(self) -> bool:
        """Whether the number is within the goal; one that is not a number is not."""
        return self.least <= self.found <= self.most

    @property
    def line(self) -> str:
        """The verdict for a terminal."""
        if self.least == self.most:
            goal = f"{self.least:g}"
        else:
            ends = ((self.least, "at least"), (self.most, "at most"))
            goal = " and ".join(f"{word} {end:g}" for end, word in ends if abs(end) != float("inf"))
        return f"  {'met   ' if self.is_met else 'MISSED'}  {self.what}: {self.found:.3g} ({goal})"


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """Return the exit code of measurements with these verdicts."""
    return 0 if all(each.is_met for each in verdicts) else 1
