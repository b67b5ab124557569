"""Statistics of a web server's access log, for each path.

    python -m driver run --job log_statistics --input access.log
    python -m driver run --job log_statistics --input access.log --param of=duration

Input: lines in Common or Combined Log Format. Output: path without its query -> {"count", "min",
"mean", "max", "p95"} of the responses' sizes in bytes ("-" is 0), or of their durations, if those
are the last field (Apache's %D, nginx's $request_time). Other lines are skipped, and counted as
`malformed`.

An exact percentile needs all values in order and their number, which is known only at the end. Here
the number comes first and the values come sorted, so that nothing is held in memory.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Literal

from mapreduce import Job

LINE = re.compile(
    r'\S+ \S+ .*?\[[^\]]+\] "[A-Z]+ (?P<path>[^\s?"]+)(?:[^"\\]|\\.)*" '
    r"[0-9]{3} (?P<size>[0-9]{1,18}|-)(?: .*?)??(?: (?P<duration>[0-9]{1,15}(?:\.[0-9]{1,15})?))?"
)
BEFORE_ALL = -1
"""Sorts before every size and duration."""

Number = int | float


class LogStatistics(Job):
    """Count, least, mean, greatest value and 95th percentile (nearest rank) for each path."""

    of: Literal["size", "duration"] = "size"

    group_by = 1

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[str, Number], tuple[Number, int]]]:
        """Yield one response for the count, which sorts first, and its value once."""
        found = LINE.fullmatch(value)
        if found is None or found[self.of] is None:
            self.count("malformed")
            return
        number = (
            float(found["duration"])
            if self.of == "duration"
            else int(found["size"].replace("-", "0"))
        )
        yield (found["path"], BEFORE_ALL), (BEFORE_ALL, 1)
        yield (found["path"], number), (number, 1)

    def combine(
        self, key: tuple[str, Number], values: Iterator[tuple[Number, int]]
    ) -> Iterator[tuple[tuple[str, Number], tuple[Number, int]]]:
        """Merge equal values, with their number."""
        yield key, (key[1], sum(times for _, times in values))

    def reduce(
        self, key: str, values: Iterator[tuple[Number, int]]
    ) -> Iterator[tuple[str, dict[str, Number]]]:
        """Read a path's values once, in ascending order."""
        count = seen = 0
        total = Fraction(0)  # exact, so that the mean does not depend on the combining
        least = greatest = p95 = 0  # type: Number
        for number, times in values:
            if number == BEFORE_ALL:
                count += times
                continue
            if seen * 100 < count * 95:
                p95 = number
            least = least if seen else number
            greatest = number
            seen += times
            total += Fraction(number) * times
        yield (
            key,
            {
                "count": count,
                "min": least,
                "mean": float(total / count),
                "max": greatest,
                "p95": p95,
            },
        )
