"""Many records at once, the argument of `map_batch`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Batch:
    """Some neighbouring whole records of one object.

    Attributes:
        source: the object's URL.
        offset: the first record's byte offset.
        data: the records' bytes, with their line ends; the content of a whole file.
    """

    source: str
    offset: int
    data: bytes

    def lines(self) -> list[str]:
        """Return the records as `map` gets them: text without line ends, U+FFFD for bytes not
        UTF-8.
        """
        # the common case, without the offset of each line
        if self.data and b"\r" not in self.data and self.data.isascii():
            return self.data.decode("ascii").removesuffix("\n").split("\n")
        from mapreduce.formats.text import LineDecoder

        return [line for _, line in LineDecoder().lines(self.offset, self.data)]

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        """Return the lines as an Arrow array of strings (PyCapsule interface:
        `pyarrow.array(batch)`).
        """
        import nanoarrow

        lines = nanoarrow.c_array(self.lines(), nanoarrow.string())
        return lines.__arrow_c_array__(requested_schema)
