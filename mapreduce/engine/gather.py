"""Turn the blocks of one partition into few sorted runs, while the next blocks are fetched.

Blocks that fit in a share of the task's memory are merged straight from there. Otherwise
neighbouring blocks are merged in groups: each group becomes one run on scratch disk, so that a
partition is written there once, whatever its length.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from mapreduce import native
from mapreduce.engine.context import TaskContext
from mapreduce.engine.fetch import JOINED, SHARE, BlockSource, fetch, fetching, stream
from mapreduce.engine.merge import FAN_IN, FileRun, SortedRun
from mapreduce.engine.states import LEAST_BLOCKS, States, groups_of, is_kept
from mapreduce.errors import CorruptBlock
from mapreduce.formats.frames import (
    CHECKSUM_MODULO,
    FRAME_BYTES,
    BlockReader,
    BlockWriter,
    Frame,
    RawFrame,
    columns,
)

UNPACKED = 8
"""A frame is taken to be at most this many times longer in memory than in its block."""
WINDOW_BYTES = FRAME_BYTES if native.extension is not None else 4 * FRAME_BYTES
"""Memory for the current frame of a run; Python's objects need several times its bytes."""

Merge = Callable[[BlockWriter, list[SortedRun]], None]
"""Merges runs into one block."""

Check = Callable[[RawFrame], None]
"""Checks the keys of a frame, and raises if one is wrong."""
Checks = Callable[[BlockSource], Check | None]
"""Returns the check of a block's frames, if there is one."""


def _unchecked(_source: BlockSource) -> None:
    """Return no check."""


@dataclass(slots=True)
class FetchedBlock:
    """A map task's block, with the count and checksum of what has been read of it.

    With a `check`, every frame that is read, whichever merge reads it, is checked for keys of other
    partitions.
    """

    source: BlockSource
    context: TaskContext
    opened: Callable[[], BinaryIO]
    check: Check | None = None
    records: int = 0
    checksum: int = 0

    def frames(self) -> Iterator[Frame]:
        """Yield the frames; at the end, check count and checksum against the block's index."""
        return map(columns, self.raw_frames())

    def raw_frames(self) -> Iterator[RawFrame]:
        """Yield the same frames as payloads."""
        expected, url = self.source.block, self.source.output.url
        name = f"the block at byte {expected.offset} of {url}"
        with self.opened() as file:
            reader = BlockReader(file, expected.length, name)
            try:
                for frame in reader.raw_frames():
                    self.context.meter.records += frame[1]
                    if self.check is not None:
                        self.check(frame)
                    yield frame
            except CorruptBlock as exc:
                raise CorruptBlock(str(exc), url=url) from exc
        # assigned, not added: after an overflow the block is read a second time, and each pass
        # counts alone
        self.records, self.checksum = reader.records, reader.checksum
        if (self.records, self.checksum) != (expected.records, expected.checksum):
            raise CorruptBlock(
                f"{name} holds {self.records} pairs, not the {expected.records} that were written",
                url=url,
            )


@dataclass(slots=True)
class Gathered:
    """The sorted runs of one partition, and the sums of the blocks that were read for them.

    Attributes:
        blocks: all blocks.
        runs: the blocks, or the runs on scratch disk that were merged from them.
        integers: all values are 64-bit integers.
        at_once: how many of the runs may be merged at once.
    """

    blocks: list[FetchedBlock]
    runs: list[SortedRun]
    integers: bool
    at_once: int = FAN_IN

    def count(self, *, joined: bool = False) -> tuple[int, int]:
        """Return how many pairs have been read, and the sum of their checksums.

        Args:
            joined: of an earlier step's part, and not of the map outputs.
        """
        read = [each for each in self.blocks if (each.source.output.index == JOINED) == joined]
        checksum = sum(block.checksum for block in read) % CHECKSUM_MODULO
        return sum(block.records for block in read), checksum


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring blocks that are merged together; with a `key`, their states are kept."""

    sources: list[BlockSource]
    key: str = ""


@contextmanager
def gathered(
    sources: Sequence[BlockSource],
    context: TaskContext,
    folder: Path,
    merge: Merge,
    checks: Checks = _unchecked,
    states: States | None = None,
) -> Iterator[Gathered]:
    """Yield the sorted runs of the blocks, in the order of the sources.

    Args:
        sources: the blocks, none of them empty.
        context: where they are fetched.
        folder: the task's scratch folder.
        merge: merges a group of blocks.
        checks: returns the check of each frame of a block.
        states: the kept states of groups, where the job allows them.
    """
    limit = context.memory_bytes // SHARE
    with fetching(context.storage, sources[0].output.url if sources else None) as pool:
        gathering = _Gathering(context, folder, merge, checks, states, pool, limit)
        groups = _groups(sources, limit, states)
        if len(groups) <= 1 and not any(group.key for group in groups):
            blocks = gathering.begin(groups[0]) if groups else []
            integers = all(source.block.integers for source in sources)
            yield Gathered(blocks, list(blocks), integers, at_once=len(blocks))
        else:
            yield gathering.runs(groups)


@dataclass(frozen=True, slots=True)
class _Gathering:
    """Merges groups of blocks, one after another, while the blocks of the next are fetched."""

    context: TaskContext
    folder: Path
    merge: Merge
    checks: Checks
    states: States | None
    pool: Executor | None
    limit: int

    def begin(self, group: _Group) -> list[FetchedBlock]:
        """Start to fetch the blocks of a group."""
        return [
            FetchedBlock(source, self.context, self._opener(source), self.checks(source))
            for source in group.sources
        ]

    def runs(self, groups: list[_Group]) -> Gathered:
        """Return the groups as runs on scratch disk."""
        done = Gathered([], [], integers=True)
        paths = [self.folder / f"run-{number}" for number in range(len(groups))]
        # one after another: each is read whole, and only one may fit in memory
        kept = [self._kept(group, path) for group, path in zip(groups, paths, strict=True)]
        missing = iter([group for group, found in zip(groups, kept, strict=True) if not found])
        coming = self._next(missing)
        for group, path, found in zip(groups, paths, kept, strict=True):
            if found is not None:
                done.blocks += map(self._counted, group.sources)
                done.runs.append(found[0])
                done.integers = done.integers and found[1]
                continue
            now, coming = coming, self._next(missing)
            done.blocks += now
            if _needs_disk(now[0].source.block.length, self.limit):
                # it lies on scratch disk already
                done.runs += now
                done.integers = done.integers and now[0].source.block.integers
            else:
                writer = self._merged(group, now, path)
                done.runs.append(FileRun(path, 0, writer.length, path.name))
                done.integers = done.integers and writer.integers
        return done

    def _next(self, groups: Iterator[_Group]) -> list[FetchedBlock]:
        group = next(groups, None)
        return [] if group is None else self.begin(group)

    def _kept(self, group: _Group, path: Path) -> tuple[FileRun, bool] | None:
        return self.states.find(group.key, path) if self.states and group.key else None

    def _counted(self, source: BlockSource) -> FetchedBlock:
        """Return a block that was read, by its index entry, when its group's states were merged."""
        block = source.block
        return FetchedBlock(source, self.context, _released, None, block.records, block.checksum)

    def _merged(self, group: _Group, blocks: list[FetchedBlock], path: Path) -> BlockWriter:
        with path.open("wb") as file:
            writer = BlockWriter(file)
            self.merge(writer, list(blocks))
        for block in blocks:
            block.opened = _released
        if self.states and group.key:
            self.states.keep(group.key, path, writer)
        return writer

    def _opener(self, source: BlockSource) -> Callable[[], BinaryIO]:
        """Return a function that opens the bytes of a block; with threads, start to fetch them."""
        context, pool = self.context, self.pool
        if _needs_disk(source.block.length, self.limit):
            path = self.folder / f"block-{source.output.index}"
            saved: Callable[[], Path]
            if pool is None:
                saved = cache(lambda: _saved(source, context, path))
            else:
                saved = pool.submit(_saved, source, context, path).result
            return lambda: saved().open("rb")
        if pool is None or source.data is not None:
            return lambda: io.BytesIO(fetch(source, context))
        coming = pool.submit(fetch, source, context)
        return lambda: io.BytesIO(coming.result())


def _groups(sources: Sequence[BlockSource], limit: int, states: States | None) -> list[_Group]:
    """Return neighbouring blocks together, as many as fit in `limit` bytes with their windows.

    Where states are kept, the groups are those of the states, if they are long enough and fit.
    """
    if states is None or len(sources) < LEAST_BLOCKS:
        return [_Group(group) for group in _fitting(sources, limit)]
    groups: list[_Group] = []
    others: list[BlockSource] = []
    for group in groups_of(sources):
        if is_kept(group) and len(_fitting(group, limit)) == 1:
            groups += [_Group(each) for each in _fitting(others, limit)]
            groups.append(_Group(group, states.key(group)))
            others = []
        else:
            others += group
    return groups + [_Group(each) for each in _fitting(others, limit)]


def _fitting(sources: Sequence[BlockSource], limit: int) -> list[list[BlockSource]]:
    groups: list[list[BlockSource]] = []
    held = limit
    for source in sources:
        need = _needed(source.block.length)
        if held + need > limit:
            groups.append([])
            held = 0
        groups[-1].append(source)
        held += need
    return groups


def _needed(length: int) -> int:
    """Return the memory for a block of so many bytes, and for the frame of it that is merged."""
    return length + min(UNPACKED * length, WINDOW_BYTES)


def _needs_disk(length: int, limit: int) -> bool:
    return _needed(length) > limit


def _saved(source: BlockSource, context: TaskContext, path: Path) -> Path:
    with path.open("wb") as file:
        file.writelines(stream(source, context))
    return path


def _released() -> BinaryIO:
    raise AssertionError("a merged block is read again")
