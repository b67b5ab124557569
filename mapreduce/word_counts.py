"""Count the words in blocks of text: what `words` finds line by line, at the speed of C.

Text is cut into runs of ASCII letters, apostrophes and bytes beyond ASCII, and each distinct run is
counted: by the native extension if it is built, else by `bytes.translate`, `bytes.split` and
`Counter`. `words` then cuts each distinct run beyond ASCII once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mapreduce import native
from mapreduce.columns.buffers import PackedColumns, buffers_of
from mapreduce.words import words

LARGE_BYTES = 64 << 20
"""Memory from which the caller should take the counts."""

_RUN_BYTES = 150
"""Memory of a run in a `Counter` (CPython 3.11): the slot, a bytes object and an int."""

_FEW = 10_000
"""Up to this many runs or words, their lengths are not summed after every block."""

_CAPITAL_SIGMA = "Σ".encode()
_RUNS = bytes(
    low
    if (low := bytes([byte]).lower()[0]) in b"abcdefghijklmnopqrstuvwxyz'" or byte > 127
    else ord(" ")
    for byte in range(256)
)
"""Maps each byte to a lower-case letter, an apostrophe, a byte beyond ASCII, or a space."""


class WordCounts:
    """Counts words until the counts are taken."""

    def __init__(self) -> None:
        self._native = native.extension.WordCounts() if native.extension is not None else None
        self._runs: Counter[bytes] = Counter()
        self._words: Counter[str] = Counter()

    @property
    def is_large(self) -> bool:
        """True if the counts take so much memory that they should be taken."""
        held = self._native.nbytes if self._native is not None else _held(self._runs)
        return held + _held(self._words) > LARGE_BYTES

    def add(self, data: bytes) -> None:
        """Count the words of whole lines of UTF-8."""
        if not data.isascii() and _CAPITAL_SIGMA in data:
            data = self._without_sigmas(data)
        if self._native is not None:
            self._native.add(data)
        else:
            self._runs.update(data.translate(_RUNS).split())

    def pairs(self) -> Iterable[tuple[str, int]]:
        """Return pairs of a word and its count, for `map_cleanup` to return, and clear both; a word
        may come more than once.

        With the native extension they stay bytes, which its collector takes many at a time.
        """
        packed = self._native.take_packed() if self._native is not None else None
        if packed is None:  # without the extension, or 2 GiB of words
            return zip(*self.take(), strict=True)
        ends, texts, counts, runs, run_counts = packed
        if runs or self._words:
            self._count_runs(zip(runs, run_counts, strict=True))
            more_ends, more, more_counts = buffers_of(self._words, self._words.values(), len(texts))
            ends, texts, counts = ends + more_ends, texts + more, counts + more_counts
            self._words.clear()
        return PackedColumns(memoryview(ends), memoryview(texts), memoryview(counts))

    def take(self) -> tuple[list[str], list[int]]:
        """Return the words and their counts, and clear both; a word may come more than once."""
        if self._native is not None:
            found, counts, runs, run_counts = self._native.take()
            self._count_runs(zip(runs, run_counts, strict=True))
        else:
            ascii_runs = {run: count for run, count in self._runs.items() if run.isascii()}
            found, counts = [run.decode() for run in ascii_runs], list(ascii_runs.values())
            self._count_runs(
                (run, count) for run, count in self._runs.items() if run not in ascii_runs
            )
            self._runs.clear()
        found += self._words.keys()
        counts += self._words.values()
        self._words.clear()
        return found, counts

    def _count_runs(self, runs: Iterable[tuple[bytes, int]]) -> None:
        for run, count in runs:
            for word in words(run.decode("utf-8", "replace")):
                self._words[word] += count

    def _without_sigmas(self, data: bytes) -> bytes:
        """Count the lines that contain a capital sigma, and return the others.

        The lower case of that letter depends on the characters around it, also beyond the run (the
        Unicode Standard, section 3.13, Final_Sigma).
        """
        others: list[bytes] = []
        for line in data.split(b"\n"):
            if _CAPITAL_SIGMA in line:
                self._words.update(words(line.decode("utf-8", "replace")))
            else:
                others.append(line)
        return b"\n".join(others)


def _held(counts: Counter[bytes] | Counter[str]) -> int:
    """Return the approximate memory of the counts, in bytes."""
    return len(counts) * _RUN_BYTES + (sum(map(len, counts)) if len(counts) > _FEW else 0)
