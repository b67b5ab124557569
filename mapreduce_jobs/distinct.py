"""The distinct lines, or words, of a text.

    python -m driver run --job distinct --input names.txt --param of=words

Input: text. Output: each line (or word) once -> null, in key order within each part.
"""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Batch, First, Job, words


class Distinct(Job):
    """Each key that occurs, once. The pairs carry no value: the key is the whole information."""

    of: Literal["lines", "words"] = "lines"

    reduce = First()

    def map(self, key: int, value: str) -> Iterator[tuple[str, None]]:
        """Yield a pair for the line, or for each of its words."""
        for found in words(value) if self.of == "words" else [value]:
            yield found, None

    def map_batch(self, batch: Batch) -> tuple[list[str], list[None]]:
        """Return each line or word of a batch once."""
        found = batch.lines()
        if self.of == "words":
            found = [word for line in found for word in words(line)]
        once = list(dict.fromkeys(found))
        return once, [None] * len(once)
