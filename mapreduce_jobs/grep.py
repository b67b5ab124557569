"""The lines that match a regular expression, with their line numbers, as `grep -n` shows them.

    python -m driver run --job grep --input notes/ --param pattern='colou?r'

Input: text. Output: (URL of the file, line number) -> line. A pattern that is none is an error.

No map task knows how many lines come before its split. So each counts the lines of its stretch of a file, and numbers
its matches within that; the reduce sees a file's stretches in order, and adds up their counts as it goes.
"""

import re
from collections.abc import Iterator

from mapreduce import Job

File = tuple[str, str]
Numbered = tuple[int, str | None]


class Grep(Job):
    """Matching lines by file and line number. `(?i)` at the start of the pattern makes it ignore case.

    The keys are (file, stretch's first byte, line of the stretch); the first two fields, which are the file, make a
    group, and the rest sorts it: a secondary sort.
    """

    pattern: str = ""

    group_by = 2

    def map_setup(self) -> None:
        """Before the first record."""
        self._regex = re.compile(self.pattern)
        self._file: File | None = None
        self._start = self._lines = 0

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[str, str, int, int], Numbered]]:
        """A pair for each match, and one for each stretch that is over."""
        if self._file != (self.source, self.input):
            yield from self.map_cleanup()
            self._file, self._start, self._lines = (self.source, self.input), key, 0
        self._lines += 1
        if self._regex.search(value):
            yield (*self._file, self._start, self._lines), (self._lines, value)

    def map_cleanup(self) -> Iterator[tuple[tuple[str, str, int, int], Numbered]]:
        """How many lines the last stretch had; the pair sorts behind the stretch's matches."""
        if self._file:
            yield (*self._file, self._start, self._lines + 1), (self._lines, None)

    def reduce(
        self, key: File, values: Iterator[Numbered]
    ) -> Iterator[tuple[tuple[str, int], str]]:
        """The matches of one file, with their numbers in it."""
        before = 0
        for number, line in values:
            if line is None:
                before += number
            else:
                yield (key[0], before + number), line
