"""How often each sequence of n words occurs.

    python -m driver run --job n_grams --input book.txt --param n=3

Input: text. Output: the words, separated by one space -> count. An n-gram lies within one line: a
line is a record, and the next one may be in another split.
"""

from collections.abc import Iterator

from mapreduce import Count, Job, words


class NGrams(Job):
    """Sequences of `n` neighbouring words of a line."""

    n: int = 2

    reduce = Count()

    def map_setup(self) -> None:
        """Refuse an n that would count nothing."""
        if self.n < 1:
            raise ValueError(f"an n-gram has at least one word, not {self.n}")

    def map(self, key: int, value: str) -> Iterator[tuple[str, None]]:
        """Yield one pair for each sequence of `n` words in the line."""
        found = words(value)
        for at in range(len(found) - self.n + 1):
            yield " ".join(found[at : at + self.n]), None
