"""Merge sorted runs into one, with memory for one frame of each run, whatever their length.

A run's keys ascend. Pairs of one key keep the order of their runs, and within a run their order.
Runs come in input order, so the values of a key reach `reduce` in input order.

`merged` yields pairs, in Python; `merged_frames` yields frames, with the native extension.
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
"""Runs on scratch disk that are merged at once. More are first merged in groups of this size."""


class SortedRun(Protocol):
    """A sorted run, which can be read more than once, each time from its first frame."""

    def frames(self) -> Iterator[Frame]:
        """Yield its frames."""

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the same frames as payloads."""


@dataclass(frozen=True, slots=True)
class FileRun:
    """The run in a range of a local file; `name` identifies it in errors.

    Not `ordered`: the pairs are in the order in which they came, and may only be read.
    """

    path: Path
    offset: int
    length: int
    name: str
    ordered: bool = True

    def frames(self) -> Iterator[Frame]:
        """Yield its frames."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from BlockReader(file, self.length, self.name, self.ordered).frames()

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the same frames as payloads."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            yield from BlockReader(file, self.length, self.name, self.ordered).raw_frames()


def merged(runs: list[SortedRun], scratch: Path, at_once: int = FAN_IN) -> Iterator[PackedPair]:
    """Return all pairs of the runs in key order.

    Args:
        runs: sorted runs, earlier input first.
        scratch: a folder for intermediate runs, if there are more than `at_once`.
        at_once: how many runs may be merged at once.
    """
    few = _few(runs, scratch, lambda writer, group: writer.write(merge_once(group)), at_once)
    return merge_once(few)


def merged_frames(
    runs: list[SortedRun], scratch: Path, operation: int, at_once: int = FAN_IN
) -> Iterator[RawFrame]:
    """Return all pairs of the runs as frames in key order, combined per key by `operation`.

    Args:
        runs: sorted runs, earlier input first.
        scratch: a folder for intermediate runs, if there are more than `at_once`.
        operation: of the native extension; `KEEP` keeps every pair.
        at_once: how many runs may be merged at once.

    Raises:
        OverflowError: a sum does not fit 64 bits.
    """

    def write(writer: BlockWriter, group: list[SortedRun]) -> None:
        writer.write_frames(merge_frames_once(group, operation))

    return merge_frames_once(_few(runs, scratch, write, at_once), operation)


def write_block(file: BinaryIO, pairs: Iterable[PackedPair]) -> BlockWriter:
    """Write pairs as one block, and return the writer with its count, length and checksum."""
    writer = BlockWriter(file)
    writer.write(pairs)
    return writer


def _few(
    runs: list[SortedRun],
    scratch: Path,
    write: Callable[[BlockWriter, list[SortedRun]], None],
    at_once: int,
) -> list[SortedRun]:
    """Merge runs until at most `at_once` are left, and return these."""
    # each pass merges neighbours, so the order of the runs, and with it the order of the values of
    # one key, is kept; ten thousand runs take two passes
    while len(runs) > at_once:
        groups = [runs[at : at + at_once] for at in range(0, len(runs), at_once)]
        runs = [_written(group, scratch, write) for group in groups]
    return runs


def _written(
    group: list[SortedRun], scratch: Path, write: Callable[[BlockWriter, list[SortedRun]], None]
) -> SortedRun:
    # several merges share the folder, so each run gets a unique name
    descriptor, name = tempfile.mkstemp(dir=scratch, prefix="merge-")
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor, not a path
        writer = BlockWriter(file)
        write(writer, group)
    return FileRun(Path(name), 0, writer.length, Path(name).name)


def merge_frames_once(runs: list[SortedRun], operation: int) -> Iterator[RawFrame]:
    """Return the same as `merged_frames`, with all runs open at once."""
    assert native.extension is not None, "merging frames needs the native extension"
    merging: Iterator[RawFrame] = native.extension.Merge(
        [run.raw_frames() for run in runs], operation
    )
    return merging


def merge_once(runs: list[SortedRun]) -> Iterator[PackedPair]:
    """Return the same as `merged`, with all runs open at once."""
    if len(runs) == 1:
        return chain.from_iterable(
            zip(frame.keys, frame.values, strict=True) for frame in runs[0].frames()
        )
    # (key, number of the run, value): the run breaks ties between equal keys, which keeps input
    # order, and values, which may be int and bytes, are never compared
    numbered = (_numbered(number, run.frames()) for number, run in enumerate(runs))
    return ((key, value) for key, _, value in heapq.merge(*numbered))


def _numbered(number: int, frames: Iterable[Frame]) -> Iterator[tuple[bytes, int, int | bytes]]:
    return chain.from_iterable(zip(frame.keys, repeat(number), frame.values) for frame in frames)
