"""How often each word occurs: the default job of `run`."""

from collections.abc import Iterable, Iterator

from mapreduce import Batch, Job, Sum, WordCounts, words


class WordCount(Job):
    """How often each word occurs.

    A word is a lower-cased maximal run of Unicode letters, combining marks and apostrophes.
    """

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """Yield one pair for each word of the line `value`."""
        for word in words(value):
            yield word, 1

    # The same for many lines at once, which is what runs. `map` stays the definition: `verify`
    # compares with it.

    def map_setup(self) -> None:
        """Create the counts of the task (Lin and Dyer 2010: in-mapper combining)."""
        self.counts = WordCounts()

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Count the batch's words; return the counts only when they take much memory."""
        self.counts.add(batch.data)
        return self.counts.take() if self.counts.is_large else ([], [])

    def map_cleanup(self) -> Iterable[tuple[str, int]]:
        """Return the remaining counts at the task's end."""
        return self.counts.pairs()
