"""Merges sorted runs into one, with memory for one frame of each run, whatever their length.

A run's keys ascend; pairs of one key keep the order of their runs, and within a run their own. Runs are given in the
order of the input, so the values of a key reach `reduce` in the order in which the input holds them.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import BinaryIO

from mapreduce.formats.frames import BlockReader, BlockWriter, Frame, PackedPair

FAN_IN = 128
"""Runs merged at once; more are first merged in groups of this many, into runs on scratch disk."""

Run = Callable[[], Iterator[Frame]]
"""Opens a run: each call gives its frames from the first on."""


def merged(runs: list[Run], scratch: Path) -> Iterator[PackedPair]:
    """All pairs of the runs in the order of their keys.

    Args:
        runs: sorted runs, earlier input first.
        scratch: a folder for intermediate runs, when there are more than `FAN_IN`.
    """
    while len(runs) > FAN_IN:
        groups = [runs[at : at + FAN_IN] for at in range(0, len(runs), FAN_IN)]
        runs = [_written(_merge_once(group), scratch) for group in groups]
    return _merge_once(runs)


def run_of_file(path: Path, offset: int, length: int, name: str) -> Run:
    """The run that a range of a local file holds."""

    def frames() -> Iterator[Frame]:
        with path.open("rb") as file:
            file.seek(offset)
            yield from BlockReader(file, length, name).frames()

    return frames


def _merge_once(runs: list[Run]) -> Iterator[PackedPair]:
    if len(runs) == 1:
        return chain.from_iterable(zip(frame.keys, frame.values, strict=True) for frame in runs[0]())
    # (key, number of the run, value): equal keys are told apart by their run, so values are never compared
    numbered = (_numbered(number, run()) for number, run in enumerate(runs))
    return ((key, value) for key, _, value in heapq.merge(*numbered))


def _numbered(number: int, frames: Iterable[Frame]) -> Iterator[tuple[bytes, int, int | bytes]]:
    return chain.from_iterable(zip(frame.keys, repeat(number), frame.values) for frame in frames)


def _written(pairs: Iterator[PackedPair], scratch: Path) -> Run:
    # several merges share the folder, so each run gets a name that no other has
    descriptor, name = tempfile.mkstemp(dir=scratch, prefix="merge-")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        length = write_block(file, pairs).length
    return run_of_file(Path(name), 0, length, Path(name).name)


def write_block(file: BinaryIO, pairs: Iterable[PackedPair]) -> BlockWriter:
    """Writes pairs as one block, and returns the writer with its count, length and checksum."""
    writer = BlockWriter(file)
    writer.write(pairs)
    return writer
