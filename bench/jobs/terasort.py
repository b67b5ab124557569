"""Sort records of 100 bytes by their first ten, as TeraSort does."""

from collections.abc import Iterator

from mapreduce import FixedLength, Job, identity


class TeraSort(Job):
    """The records in the order of their keys; parts are ranges of keys."""

    input_format = FixedLength(length=100)
    total_order = True
    reduce = identity

    def map(self, key: int, value: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rest of the record under its key."""
        yield value[:10], value[10:]
