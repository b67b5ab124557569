"""Sorted runs on scratch disk, and their merge into one file with a block for each partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mapreduce.engine.merge import FileRun, SortedRun
from mapreduce.formats.frames import BlockWriter, FrameSink
from mapreduce.wire.messages import Block

BlockContent = Callable[[FrameSink], None]
"""Writes the sorted pairs of one partition."""

Merging = Callable[[list[SortedRun], Path], BlockContent]
"""Merges the runs of one partition, given in input order; the path is a folder for intermediate
runs.
"""


@dataclass(frozen=True, slots=True)
class _Spilled:
    path: Path
    blocks: list[Block]


class Spills:
    """The sorted runs of a task.

    Args:
        partitions: the number of blocks in each run.
        scratch: the task's scratch folder.
        merging: merges runs; the caller may replace it before the last write.
    """

    def __init__(self, partitions: int, scratch: Path, merging: Merging) -> None:
        self.partitions = partitions
        self.merging = merging
        self.scratch = scratch
        self._runs: list[_Spilled] = []

    def spill(self, parts: Iterable[BlockContent]) -> None:
        """Write sorted pairs, one part for each partition, as one more run."""
        path = self.scratch / f"spill-{len(self._runs)}"
        with path.open("wb") as file:
            self._runs.append(_Spilled(path, _blocks(file, parts)))

    def write(self, file: BinaryIO, parts: Sequence[BlockContent] | None) -> list[Block]:
        """Write the blocks: the last pairs, if any, merged with all runs, if any."""
        # nothing was spilled: the common case needs no merge and no second copy on disk
        if parts is not None and not self._runs:
            return _blocks(file, parts)
        if parts is not None:
            self.spill(parts)
        # the last pairs are spilled too, so that the merge sees only runs on disk, all of one kind
        return _blocks(
            file,
            (
                self.merging(self._runs_of(number), self.scratch)
                for number in range(self.partitions)
            ),
        )

    def content(self, parts: Sequence[BlockContent]) -> BlockContent:
        """Return what writes the one partition: the last pairs, merged with all runs, if any."""
        (last,) = parts
        if not self._runs:
            return last
        self.spill(parts)
        return self.merging(self._runs_of(0), self.scratch)

    def _runs_of(self, partition: int) -> list[SortedRun]:
        return [
            FileRun(run.path, block.offset, block.length, run.path.name)
            for run in self._runs
            if (block := run.blocks[partition]).records
        ]


def _blocks(file: BinaryIO, parts: Iterable[BlockContent]) -> list[Block]:
    return list(_written(file, parts))


def _written(file: BinaryIO, parts: Iterable[BlockContent]) -> Iterator[Block]:
    offset = 0
    for write in parts:
        writer = BlockWriter(file)
        write(writer)
        yield Block(
            offset=offset,
            length=writer.length,
            records=writer.records,
            checksum=writer.checksum,
            integers=writer.integers,
        )
        offset += writer.length
