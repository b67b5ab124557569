"""A column of typed values as the buffers of an Arrow array, which the native extension fills."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mapreduce.input_formats import ColumnKind


@dataclass(frozen=True, slots=True)
class PackedColumn:
    """Values of one type, or None.

    Attributes:
        kind: their type; never "object".
        length: how many there are.
        nulls: how many of them are None.
        valid: a bit for each value that is not None, the lowest first; empty if none is.
        values: UTF-8, numbers of 64 bits, or bits.
        ends: of texts, 32-bit integers: where each text begins, and where the last one ends.
    """

    kind: ColumnKind
    length: int
    nulls: int
    valid: bytes
    values: bytes
    ends: bytes

    def __len__(self) -> int:
        return self.length

    @property
    def buffers(self) -> list[bytes | None]:
        """The buffers of the array, in Arrow's order."""
        texts = [self.ends] if self.kind == "str" else []
        return [self.valid or None, *texts, self.values]

    def listed(self) -> list[Any]:
        """Return the values."""
        found = self._values()
        if not self.nulls:
            return found
        valid = _bits(self.valid, self.length)
        return [value if there else None for value, there in zip(found, valid, strict=True)]

    def _values(self) -> list[Any]:
        if self.kind == "str":
            data = self.values
            return [data[begin:end].decode() for begin, end in pairwise(array("i", self.ends))]
        if self.kind == "bool":
            return _bits(self.values, self.length)
        return array("q" if self.kind == "int" else "d", self.values).tolist()


def _bits(packed: bytes, length: int) -> list[bool]:
    return [bool(packed[at >> 3] >> (at & 7) & 1) for at in range(length)]
