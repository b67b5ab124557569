"""Sorted runs on scratch disk, and the file that they are merged into: one block for each partition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from mapreduce.engine.merge import FileRun, Run
from mapreduce.formats.frames import BlockWriter
from mapreduce.wire.messages import Block

Part = Callable[[BlockWriter], None]
"""Writes the sorted pairs of one partition."""

Merging = Callable[[list[Run], Path], Part]
"""What several runs of one partition become: runs in the order of the input, and a folder for intermediate ones."""


@dataclass(frozen=True, slots=True)
class _Spilled:
    path: Path
    blocks: list[Block]


class Spills:
    """The runs of a task.

    Args:
        partitions: how many blocks each run has.
        scratch: a folder of the task's own.
        merging: how runs become one; it may be set anew before the last are written.
    """

    def __init__(self, partitions: int, scratch: Path, merging: Merging) -> None:
        self.partitions = partitions
        self.merging = merging
        self.scratch = scratch
        self._runs: list[_Spilled] = []

    def spill(self, parts: Iterable[Part]) -> None:
        """Writes sorted pairs, one part a partition, as one more run."""
        path = self.scratch / f"spill-{len(self._runs)}"
        with path.open("wb") as file:
            self._runs.append(_Spilled(path, _blocks(file, parts)))

    def adopt(self, path: Path, block: Block) -> None:
        """Takes a sorted file of one partition as one more run."""
        self._runs.append(_Spilled(path, [block]))

    def write(self, file: BinaryIO, parts: Sequence[Part] | None) -> list[Block]:
        """Writes the blocks: of the last pairs, if there are any, merged with all runs, if there are any."""
        if parts is not None and not self._runs:
            return _blocks(file, parts)
        if parts is not None:
            self.spill(parts)
        return _blocks(
            file,
            (
                self.merging(self._runs_of(number), self.scratch)
                for number in range(self.partitions)
            ),
        )

    def _runs_of(self, partition: int) -> list[Run]:
        return [
            FileRun(run.path, block.offset, block.length, run.path.name)
            for run in self._runs
            if (block := run.blocks[partition]).records
        ]


def _blocks(file: BinaryIO, parts: Iterable[Part]) -> list[Block]:
    return list(_written(file, parts))


def _written(file: BinaryIO, parts: Iterable[Part]) -> Iterator[Block]:
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
