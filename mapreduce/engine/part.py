"""Write a part of the result from pairs on scratch disk, and the same pairs for the next step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mapreduce.engine.collect import Collector
from mapreduce.engine.context import TaskContext
from mapreduce.engine.merge import FileRun
from mapreduce.engine.rows import RowsWriter
from mapreduce.engine.text_limits import short_top
from mapreduce.engine.top_pairs import length
from mapreduce.formats.frames import BlockWriter, FrameSink
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.table import Columns
from mapreduce.input_formats import Pairs
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.storage.digest import digest_of_file
from mapreduce.wire import keys
from mapreduce.wire.messages import Block, InputObject, MapTask, ReduceTask

Pair = tuple[Any, Any]

Write = Callable[[FrameSink], None]
"""Writes pairs to a sink, in the order of the part."""


@dataclass(frozen=True, slots=True)
class StoredPairs:
    """Pairs on scratch disk: one block of frames.

    Attributes:
        path: the file.
        block: its length, count and checksum.
        ordered: they are in key order.
    """

    path: Path
    block: Block
    ordered: bool = True

    @property
    def records(self) -> int:
        """The number of pairs."""
        return self.block.records

    @property
    def run(self) -> FileRun:
        """The pairs as a sorted run."""
        return FileRun(self.path, 0, self.block.length, "the task's own pairs", self.ordered)

    def is_distinct(self) -> bool:
        """Return whether no key comes twice, if the pairs are in key order; else False."""
        if not self.ordered:
            return False
        previous: bytes | None = None
        for frame in self.run.frames():
            if frame.keys[0] == previous or len(set(frame.keys)) < len(frame.keys):
                return False
            previous = frame.keys[-1]
        return True


def store_pairs(collector: Collector, folder: Path) -> StoredPairs:
    """Write the pairs of a collector of one partition to scratch disk, in key order."""
    path = folder / "result"
    with path.open("wb") as file:
        (block,) = collector.finish(file)
    return StoredPairs(path, block)


def write_sorted(
    collector: Collector,
    task: MapTask | ReduceTask,
    context: TaskContext,
    folder: Path,
    *,
    columns: Columns = (),
) -> Part:
    """Write one part of several from the pairs of a collector, in key order.

    Pairs for the next step of a chain need a second read, so these go to scratch disk first.
    """
    if task.keep_pairs:
        return write_part(
            store_pairs(collector, folder), task, context, whole=False, columns=columns
        )
    write = collector.content()
    return write_rows(write, task, context, folder, whole=False, distinct=False, columns=columns)


def store_written(write: Write, folder: Path) -> StoredPairs:
    """Write pairs that are already in key order to scratch disk."""
    path = folder / "ordered"
    with path.open("wb") as file:
        writer = BlockWriter(file)
        write(writer)
    return stored_pairs(path, writer)


def stored_pairs(path: Path, writer: BlockWriter, *, ordered: bool = True) -> StoredPairs:
    """Return the pairs that a writer has written to a file."""
    block = Block(
        offset=0,
        length=writer.length,
        records=writer.records,
        checksum=writer.checksum,
        integers=writer.integers,
    )
    return StoredPairs(path, block, ordered)


@dataclass(frozen=True, slots=True)
class Part:
    """A written part.

    Attributes:
        info: its object.
        records: the number of pairs.
        top: the top pairs as JSON values, long ones cut.
        top_lengths: the full length of each of their values that is not a number.
        pairs: the input of the next step of a chain.
        pairs_checksum: of its frames.
    """

    info: ObjectInfo
    records: int
    top: tuple[Pair, ...]
    top_lengths: tuple[int | None, ...]
    pairs: InputObject | None = None
    pairs_checksum: int = 0


def write_part(
    stored: StoredPairs,
    task: MapTask | ReduceTask,
    context: TaskContext,
    *,
    whole: bool,
    columns: Columns = (),
) -> Part:
    """Write the task's part under the attempt's name, and the pairs for the next step, if any.

    Args:
        stored: the part's pairs.
        task: names the part.
        context: where it is written.
        whole: the part is the whole result, so it becomes a .json document; else one of several,
            .jsonl.
        columns: that each pair must fill, if any.

    Raises:
        UserCodeError: a pair does not fill them.
    """
    distinct = whole and stored.is_distinct()
    part = write_rows(
        lambda sink: sink.write_frames(stored.run.raw_frames()),
        task,
        context,
        stored.path.parent,
        whole=whole,
        distinct=distinct,
        columns=columns,
    )
    if not task.keep_pairs:
        return part
    kept = keep(
        context.storage,
        keys.pairs_attempt(task.store, task.run, task.index, task.attempt),
        stored.path,
    )
    pairs = InputObject(
        url=kept.url,
        size=kept.size,
        etag=kept.etag,
        name="previous",
        format=Pairs(),
        digest=kept.digest,
    )
    return replace(part, pairs=pairs, pairs_checksum=stored.block.checksum)


def keep(storage: Storage, url: str, path: Path) -> ObjectInfo:
    """Move a scratch file into the store; return the object's info with the digest of its bytes."""
    digest = digest_of_file(path)
    return replace(storage.write(url, path, move=True), digest=digest)


def write_rows(
    write: Write,
    task: MapTask | ReduceTask,
    context: TaskContext,
    folder: Path,
    *,
    whole: bool,
    distinct: bool,
    columns: Columns = (),
) -> Part:
    """Write the part of pairs as they come.

    Args:
        write: writes them to a sink.
        task: names the part.
        context: where the part is written.
        folder: the task's scratch folder.
        whole: the part is the whole result.
        distinct: they come in key order, and no key twice.
        columns: that each pair must fill, if any.
    """
    rendered = folder / "part"
    with rendered.open("wb") as file:
        rows = RowsWriter(file, task.top, whole=whole, distinct=distinct, columns=columns)
        write(rows)
        rows.finish()
    url = keys.part_attempt(
        task.store, task.run, task.index, task.attempt, "json" if whole else "jsonl"
    )
    info = keep(context.storage, url, rendered)
    top = tuple((short_top(jsonable(key)), short_top(jsonable(value))) for key, value in rows.top)
    return Part(info, rows.records, top, tuple(length(value) for _, value in rows.top))
