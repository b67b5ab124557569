"""The lines that match a regular expression, with their line numbers, as `grep -n` prints them.

    python -m driver run --job grep --input notes/ --param pattern='colou?r'

Input: text. Output: (URL of the file, line number) -> line. An invalid pattern is an error.

No map task knows how many lines precede its split. So each counts the lines of its stretch of a
file, and numbers its matches within that. A reduce task gets a file's stretches in order, and adds
up their counts.
"""

import re
from collections.abc import Iterator

from mapreduce import Job

File = tuple[str, str]
Numbered = tuple[int, str | None]


class Grep(Job):
    """Matching lines by file and line number. `(?i)` at the start of the pattern ignores case.

    The keys are (file, first byte of the stretch, line of the stretch). The first two fields, which
    identify the file, make a group, and the others sort it: a secondary sort.
    """

    pattern: str = ""

    group_by = 2

    def map_setup(self) -> None:
        """Compile the pattern."""
        self._regex = re.compile(self.pattern)
        self._file: File | None = None
        self._start = self._lines = 0

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[str, str, int, int], Numbered]]:
        """Yield a pair for each match, and one for each stretch that has ended."""
        if self._file != (self.source, self.input):
            yield from self.map_cleanup()
            self._file, self._start, self._lines = (self.source, self.input), key, 0
        self._lines += 1
        if self._regex.search(value):
            yield (*self._file, self._start, self._lines), (self._lines, value)

    def map_cleanup(self) -> Iterator[tuple[tuple[str, str, int, int], Numbered]]:
        """Yield the number of lines of the last stretch; the pair sorts after the stretch's
        matches.
        """
        if self._file:
            yield (*self._file, self._start, self._lines + 1), (self._lines, None)

    def reduce(
        self, key: File, values: Iterator[Numbered]
    ) -> Iterator[tuple[tuple[str, int], str]]:
        """Yield the matches of one file, numbered by file."""
        before = 0
        for number, line in values:
            if line is None:
                before += number
            else:
                yield (key[0], before + number), line
