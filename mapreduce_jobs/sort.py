"""Sorted lines over all parts: the parts in order are one sorted file.

    python -m driver run --job sort --input names.txt --reducers 4
    python -m driver run --job sort --input table.tsv --param field=2

Input: text. Output: line -> null, as often as it occurs; or, with `field`, that field -> line.
Fields are separated by tabs and count from 1. The order is that of code points. Lines of one key
keep the order of the input, and a line without the field comes first, under an empty key.
"""

from collections.abc import Iterator

from mapreduce import Job, identity


class Sort(Job):
    """Sorted lines. With `total_order` each part is a range of keys, chosen from a sample of the
    input.
    """

    field: int = 0

    total_order = True
    reduce = identity

    def map(self, key: int, value: str) -> Iterator[tuple[str, str | None]]:
        """Yield the line under its sort key; the engine brings the keys in order."""
        if self.field:
            fields = value.split("\t", self.field)
            yield fields[self.field - 1] if len(fields) >= self.field else "", value
        else:
            yield value, None
