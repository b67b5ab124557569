"""How often each word occurs: the job that `run` does when it is given none."""

from collections.abc import Iterable, Iterator

from mapreduce import Batch, Job, Sum, WordCounts, words


class WordCount(Job):
    """How often each word occurs.

    A word is a lower-cased maximal run of Unicode letters, combining marks and apostrophes.
    """

    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        """One pair for each word of the line `value`."""
        for word in words(value):
            yield word, 1

    # The same for many lines at once, and this is what runs; `map` stays the definition, and `verify` holds to it.

    def map_setup(self) -> None:
        """The words of the task, counted where they are found (Lin and Dyer 2010: in-mapper combining)."""
        self.counts = WordCounts()

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        """Counts the batch's words; gives them on when there are too many to hold."""
        self.counts.add(batch.data)
        return self.counts.take() if self.counts.is_large else ([], [])

    def map_cleanup(self) -> Iterable[tuple[str, int]]:
        """What is left at the task's end."""
        return zip(*self.counts.take(), strict=True)
