"""The pairs of a task in the order in which they were yielded, written to disk as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from mapreduce.encoding import encode_key, pack_value
from mapreduce.engine.part import StoredPairs, stored_pairs
from mapreduce.formats.frames import FRAME_BYTES, FRAME_PAIRS, BlockWriter, PackedPair
from mapreduce.user_code.yielded import pair_of


class Arrivals:
    """Takes pairs, and keeps them in their order.

    Args:
        path: of the file that they are written to.
        file: the same, open and empty.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._writer = BlockWriter(file)
        self._waiting: list[PackedPair] = []
        self._size = 0

    def add(self, pairs: Iterable[Any]) -> None:
        """Take pairs as `map` or `reduce` yields them."""
        for pair in pairs:
            key, value = pair if type(pair) is tuple and len(pair) == 2 else pair_of(pair)
            encoded, packed = encode_key(key), pack_value(value)
            self._waiting.append((encoded, packed))
            self._size += len(encoded) + (8 if type(packed) is int else len(packed))  # type: ignore[arg-type]
            if self._size >= FRAME_BYTES or len(self._waiting) >= FRAME_PAIRS:
                self._write()

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Take pairs as `map_batch` returns them: two lists of one length."""
        self.add(zip(keys, values, strict=True))

    def stored(self) -> StoredPairs:
        """Return all pairs taken, when no more come."""
        self._write()
        return stored_pairs(self._path, self._writer, ordered=False)

    def _write(self) -> None:
        self._writer.write(self._waiting)
        self._waiting, self._size = [], 0


@contextmanager
def arrivals(folder: Path) -> Iterator[Arrivals]:
    """Yield a collector that writes to the task's scratch folder."""
    path = folder / "arrived"
    with path.open("wb") as file:
        made = Arrivals(path, file)
        yield made
