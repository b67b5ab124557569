"""Jobs that use every part of the interface, and whose answer does not depend on the splits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from mapreduce import CollectList, Job, Max, Mean, Sum, TopK, words


class FloatTotals(Job):
    """The sum of floats of very different sizes, and of some integers, by the length of a line."""

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[int, float]]:
        """Yield a number whose magnitude depends on the line."""
        yield (
            len(value) % 3,
            (0.1, 1e16, 1.0, -1e16, 3, 1e-9)[(len(value) * 7 + sum(map(ord, value))) % 6],
        )


class Everything(Job):
    """Counts words by (length, word), with a combine, a partition, a reduce and hooks."""

    min_length: int = 1

    def map_setup(self) -> None:
        """Start a count of lines, which `map_cleanup` yields."""
        self.lines = 0

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[int, str], int]]:
        """Yield one pair for each word that is long enough."""
        self.lines += 1
        self.count("lines")
        for word in words(value):
            if len(word) >= self.min_length:
                yield (len(word), word), 1

    def combine(
        self, key: tuple[int, str], values: Iterator[int]
    ) -> Iterator[tuple[tuple[int, str], int]]:
        """Yield one pair of the sum."""
        yield key, sum(values)

    def partition(self, key: tuple[int, str], partitions: int) -> int:
        """Return the same partition for words of one length."""
        return key[0] % partitions

    def reduce(self, key: tuple[int, str], values: Iterator[int]) -> Iterator[tuple[str, Any]]:
        """Yield two pairs, with keys that are not in the order of the groups."""
        total = sum(values)
        yield f"{key[1][::-1]} {key[0]}", total
        yield f"{key[1]}: {key[0]}", {"total": total, "key": key}

    def map_cleanup(self) -> Iterable[tuple[tuple[int, str], int]] | None:
        """Yield the number of lines."""
        return [((0, "lines"), self.lines)] if self.lines else None


class LineOrder(Job):
    """All lines of an input by their first character, in the order of the input."""

    reduce = CollectList()

    def map(self, key: int, value: str) -> Iterator[tuple[tuple[str, bytes], list[Any]]]:
        """Yield a composite key and a list."""
        yield (
            (value[:1], value[:1].encode()),
            [self.source, key, value, None, {"odd": bool(len(value) % 2)}],
        )


class MeanLength(Job):
    """The mean length of the words by their first letter."""

    reduce = Mean()

    def map(self, key: int, value: str) -> Iterator[tuple[bytes, int]]:
        """Yield a key of bytes."""
        for word in words(value):
            yield word[0].encode(), len(word)


class LongestLine(Job):
    """The longest line of an input, as (length, text)."""

    reduce = Max()

    def map(self, key: int, value: str) -> Iterator[tuple[str, tuple[int, str]]]:
        """Yield one tuple a line."""
        yield self.source, (len(value), value)


class FirstOffsets(Job):
    """The first offsets at which lines of a length begin."""

    reduce = TopK(2, smallest=True)

    def map(self, key: int, value: str) -> Iterator[tuple[float, int]]:
        """Yield a key of float."""
        yield len(value) / 2, key
