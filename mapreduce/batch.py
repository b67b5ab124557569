"""Many records at once, as `map_batch` is given them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Some neighbouring whole records of one object.

    Attributes:
        source: the object's URL.
        offset: the first record's byte offset.
        data: the records' bytes, with their line ends; of a whole file, its content.
    """

    source: str
    offset: int
    data: bytes

    def lines(self) -> list[str]:
        """The records as `map` is given them: text without line ends, U+FFFD for what is not UTF-8."""
        from mapreduce.formats.text import LineDecoder

        return [line for _, line in LineDecoder().lines(self.offset, self.data)]

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        """The lines as an Arrow array of strings (the Arrow PyCapsule interface: `pyarrow.array(batch)`)."""
        import nanoarrow

        lines = nanoarrow.c_array(self.lines(), nanoarrow.string())
        return lines.__arrow_c_array__(requested_schema)
