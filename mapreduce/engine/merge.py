"""Merges sorted runs into one, with memory for one frame of each run, whatever their length.

A run's keys ascend; pairs of one key keep the order of their runs, and within a run their own. Runs are given in the
order of the input, so the values of a key reach `reduce` in the order in which the input holds them.

`merged` gives pairs, in Python; `merged_frames` gives frames, and needs the compiled part.
"""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import BinaryIO, Protocol

from mapreduce import native
from mapreduce.formats.frames import BlockReader, BlockWriter, Frame, PackedPair, RawFrame

FAN_IN = 128
"""Runs merged at once; more are first merged in groups of this many, into runs on scratch disk."""


class Run(Protocol):
    """A sorted run, which may be read more than once, from the first frame on."""

    def frames(self) -> Iterator[Frame]:
        """Its frames."""

    def raw_frames(self) -> Iterator[RawFrame]:
        """The same, as their payloads."""


@dataclass(frozen=True, slots=True)
class FileRun:
    """The run that a range of a local file holds; `name` is how an error calls it."""

    path: Path
    offset: int
    length: int
    name: str

    def frames(self) -> Iterator[Frame]:
        """Its frames."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from BlockReader(file, self.length, self.name).frames()

    def raw_frames(self) -> Iterator[RawFrame]:
        """The same, as their payloads."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from BlockReader(file, self.length, self.name).raw_frames()


def merged(runs: list[Run], scratch: Path) -> Iterator[PackedPair]:
    """All pairs of the runs in the order of their keys.

    Args:
        runs: sorted runs, earlier input first.
        scratch: a folder for intermediate runs, when there are more than `FAN_IN`.
    """
    return _merge_once(_few(runs, scratch, lambda writer, group: writer.write(_merge_once(group))))


def merged_frames(runs: list[Run], scratch: Path, operation: int) -> Iterator[RawFrame]:
    """The same as frames; with an operation of the kernel, pairs of one key become one.

    Raises:
        OverflowError: a sum does not fit 64 bits.
    """
    return _frames_once(
        _few(runs, scratch, lambda writer, group: writer.write_frames(_frames_once(group, operation))), operation
    )


def write_block(file: BinaryIO, pairs: Iterable[PackedPair]) -> BlockWriter:
    """Writes pairs as one block, and returns the writer with its count, length and checksum."""
    writer = BlockWriter(file)
    writer.write(pairs)
    return writer


def _few(runs: list[Run], scratch: Path, write: Callable[[BlockWriter, list[Run]], None]) -> list[Run]:
    """As many runs as can be merged at once, which hold the same pairs."""
    while len(runs) > FAN_IN:
        groups = [runs[at : at + FAN_IN] for at in range(0, len(runs), FAN_IN)]
        runs = [_written(group, scratch, write) for group in groups]
    return runs


def _written(group: list[Run], scratch: Path, write: Callable[[BlockWriter, list[Run]], None]) -> Run:
    # several merges share the folder, so each run gets a name that no other has
    descriptor, name = tempfile.mkstemp(dir=scratch, prefix="merge-")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        writer = BlockWriter(file)
        write(writer, group)
    return FileRun(Path(name), 0, writer.length, Path(name).name)


def _frames_once(runs: list[Run], operation: int) -> Iterator[RawFrame]:
    assert native.kernel is not None, "frames are merged by the compiled part"
    merging: Iterator[RawFrame] = native.kernel.Merge([run.raw_frames() for run in runs], operation)
    return merging


def _merge_once(runs: list[Run]) -> Iterator[PackedPair]:
    if len(runs) == 1:
        return chain.from_iterable(zip(frame.keys, frame.values, strict=True) for frame in runs[0].frames())
    # (key, number of the run, value): equal keys are told apart by their run, so values are never compared
    numbered = (_numbered(number, run.frames()) for number, run in enumerate(runs))
    return ((key, value) for key, _, value in heapq.merge(*numbered))


def _numbered(number: int, frames: Iterable[Frame]) -> Iterator[tuple[bytes, int, int | bytes]]:
    return chain.from_iterable(zip(frame.keys, repeat(number), frame.values) for frame in frames)
