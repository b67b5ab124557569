"""Columns of keys and numbers as buffers, which the native collector takes without Python objects.

They come from DuckDB (`mapreduce.columns.packed`), or from `WordCounts`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any


@dataclass(frozen=True, slots=True)
class PackedColumns:
    """Keys and values of some pairs.

    Attributes:
        ends: 32-bit integers: where each text begins, and where the last one ends; None: the keys
            are integers.
        keys: UTF-8, or 64-bit integers.
        values: 64-bit integers.
        owner: frees the buffers, which no memoryview holds, when it is freed.
    """

    ends: memoryview | None
    keys: memoryview
    values: memoryview
    owner: Any = None

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        return zip(*self.lists(), strict=True)

    def __len__(self) -> int:
        return self.values.nbytes // 8

    def lists(self, begin: int = 0) -> tuple[list[Any], list[int]]:
        """Return the keys and the values from one on."""
        values = self.values.cast("q")[begin:].tolist()
        if self.ends is None:
            return self.keys.cast("q")[begin:].tolist(), values
        ends = self.ends.cast("i")[begin:].tolist()
        texts = self.keys.tobytes()
        return [texts[start:end].decode("utf-8") for start, end in pairwise(ends)], values


def buffers_of(
    texts: Iterable[str], values: Iterable[int], begin: int = 0
) -> tuple[bytes, bytes, bytes]:
    """Return where texts end, the texts, and 64-bit integers, as bytes.

    Args:
        texts: their UTF-8 lies behind `begin` bytes of others.
        values: the integers.
        begin: where the first text begins, which is not among the ends.
    """
    encoded = [text.encode() for text in texts]
    ends = array("i", list(accumulate(map(len, encoded), initial=begin))[1:])
    return ends.tobytes(), b"".join(encoded), array("q", values).tobytes()


Field = tuple[memoryview | None, memoryview | None, memoryview]
"""A column of a key's fields: which of them are not NULL, where texts end, and the data."""


@dataclass(frozen=True, slots=True)
class StateColumns:
    """Keys of several fields, and states of several numbers.

    Attributes:
        key_steps: what the fields of a key are; see `kinds.key_fields`.
        key_fields: a column for each field.
        layout: how a state is made of the numbers; see `plan.Plan`.
        numbers: columns of integers or floats of 64 bits, of integers of 128 bits, or for lists the
            32-bit places where they begin and end, and their numbers.
        rows: the number of keys.
        owner: frees the buffers, which no memoryview holds, when it is freed.
    """

    key_steps: str
    key_fields: tuple[Field, ...]
    layout: str
    numbers: tuple[memoryview, ...]
    rows: int
    owner: Any = None
