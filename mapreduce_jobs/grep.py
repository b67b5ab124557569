"""The lines that match a regular expression, with their line numbers, as `grep -n` prints them.

    python -m driver run --job grep --input notes/ --param pattern='colou?r'

Input: text. Output: (URL of the file, line number) -> line. An invalid pattern is an error.

No map task knows how many lines precede its split. So each counts the lines of its stretch of a
file, and numbers its matches within that. A reduce task gets a file's stretches in order, and adds
up their counts.
"""

import re
from collections.abc import Iterator

from mapreduce import Batch, Job

File = tuple[str, str]
Key = tuple[str, str, int, int]
Numbered = tuple[list[int], list[str]] | int
"""Matches, their numbers and their lines; or the number of lines of a stretch, at its end."""

WITHIN_A_LINE = re.compile(
    r"""(\(\?i\))?(
        [^\x00-\x1f\\\[(]                           # a character, ".", or an operator
        | \\[dwSb.^$*+?{}()\[\]|/\\-]               # classes without a line end
        | \((\?:|(?!\?))
        | \[(?!\^)([^\x00-\x1f\\\]]|\\[dwS.\[\]/\\-])+\]
    )*""",
    re.VERBOSE,
)
"""Patterns that match no line end, and that a search in many lines finds where one in each does."""
PIECE = re.compile(r"(?:([^\\\[.^$*+?{])|\\.|\[(?:\\.|[^\\\]])*\]|.)([*+?]|\{[\d,]*\})?")
"""A piece of such a pattern: a character that stands for itself, or another; how often it comes."""
SPARSE = 4
"""A literal is looked for as long as it is in one of so many lines, at most."""


class Grep(Job):
    """Matching lines by file and line number. `(?i)` at the start of the pattern ignores case.

    The keys are (file, first byte of the stretch, line of the stretch). The first two fields, which
    identify the file, make a group, and the others sort it: a secondary sort.
    """

    pattern: str = ""

    group_by = 2

    def map_setup(self) -> None:
        """Compile the pattern, and decide how it is found in many lines."""
        self._regex = re.compile(self.pattern)
        self._in_lines = None
        if WITHIN_A_LINE.fullmatch(self.pattern):
            self._in_lines = re.compile(self.pattern, re.MULTILINE)
        self._literals = literals_of(self.pattern) if self._in_lines else []
        self._file: File | None = None
        self._start = self._lines = 0

    def map(self, key: int, value: str) -> Iterator[tuple[Key, Numbered]]:
        """Yield a pair for each match, and one for each stretch that has ended."""
        yield from self._enter(key)
        self._lines += 1
        if self._regex.search(value):
            yield self._key(self._lines), ([self._lines], [value])

    def map_batch(self, batch: Batch) -> tuple[list[Key], list[Numbered]]:
        """Return one pair for all matches of a batch, and one for each stretch that has ended."""
        pairs = list(self._enter(batch.offset))
        lines = dict(self._matches(batch))
        if lines:
            pairs.append((self._key(min(lines)), (list(lines), list(lines.values()))))
        return [key for key, _ in pairs], [value for _, value in pairs]

    def map_cleanup(self) -> Iterator[tuple[Key, Numbered]]:
        """Yield the number of lines of the last stretch; the pair sorts after the stretch's
        matches.
        """
        if self._file:
            yield self._key(self._lines + 1), self._lines

    def reduce(
        self, key: File, values: Iterator[Numbered]
    ) -> Iterator[tuple[tuple[str, int], str]]:
        """Yield the matches of one file, numbered by file."""
        before = 0
        for value in values:
            if isinstance(value, int):
                before += value
                continue
            for number, line in zip(*value, strict=True):
                yield (key[0], before + number), line

    def _enter(self, offset: int) -> Iterator[tuple[Key, Numbered]]:
        """Begin a stretch at this byte if it is of another file, and yield the end of the last."""
        if self._file != (self.source, self.input):
            yield from self.map_cleanup()
            self._file, self._start, self._lines = (self.source, self.input), offset, 0

    def _key(self, line: int) -> Key:
        assert self._file is not None, "a stretch has begun"
        return (*self._file, self._start, line)

    def _matches(self, batch: Batch) -> Iterator[tuple[int, str]]:
        """Yield the number and the text of each line that matches, and count all lines."""
        text = self._text(batch)
        if text is None:
            for line in batch.lines():
                self._lines += 1
                if self._regex.search(line):
                    yield self._lines, line
            return
        if len(self._literals) > 1:  # the rarest of the first lines is probably rare
            self._literals = [min(self._literals, key=text.count)]
        before, at, looked_at = self._lines, 0, 0
        while span := self._next(text, at):
            begin = text.rfind("\n", at, span[0]) + 1 or at
            end = text.find("\n", span[1])
            line = text[begin:] if end < 0 else text[begin:end]
            before += text.count("\n", at, begin) + 1
            at = begin + len(line) + 1
            looked_at += 1
            if not self._literals or self._regex.search(line):
                yield before, line
        if at <= len(text):
            before += text.count("\n", at) + 1
        if looked_at * SPARSE > before - self._lines:
            self._literals = []
        self._lines = before

    def _text(self, batch: Batch) -> str | None:
        """Return a batch as one text; None if its lines must be searched one by one."""
        data = batch.data
        if not data or self._in_lines is None or b"\r" in data or data.startswith(b"\xef\xbb\xbf"):
            return None
        try:
            return data.decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError:
            return None

    def _next(self, text: str, at: int) -> tuple[int, int] | None:
        """Return where the next match is, or the literal, without which no line matches; None
        behind the last one.
        """
        assert self._in_lines is not None, "the lines are searched together"
        if at > len(text):
            return None
        if self._literals:
            first = text.find(self._literals[0], at)
            return (first, first) if first >= 0 else None
        found = self._in_lines.search(text, at)
        return found.span() if found else None


def literals_of(pattern: str) -> list[str]:
    """Return texts that each match of a pattern within a line has; none if unknown."""
    if set("(|") & set(pattern):
        return []
    runs = [""]
    for character, times in PIECE.findall(pattern):
        if character and not times:
            runs[-1] += character
        else:
            runs.append("")
    return [run for run in runs if run]
