"""The distinct lines, or words, of a text.

    python -m driver run --job distinct --input names.txt --param of=words

Input: text. Output: each line (or word) once -> null, in key order within each part.
"""

from collections.abc import Iterator
from typing import Literal

from mapreduce import Job, words


class Distinct(Job):
    """What occurs at all. The pairs carry no value: the key says everything."""

    of: Literal["lines", "words"] = "lines"

    def map(self, key: int, value: str) -> Iterator[tuple[str, None]]:
        """A pair for the line, or for each of its words."""
        for found in words(value) if self.of == "words" else [value]:
            yield found, None

    def combine(self, key: str, values: Iterator[None]) -> Iterator[tuple[str, None]]:
        """Once is enough: what a mapper has seen often leaves it once."""
        yield key, None

    reduce = combine
