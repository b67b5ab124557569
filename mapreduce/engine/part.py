"""A part of the result, rendered from pairs on scratch disk: for people, and for the next step of a chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapreduce import keys
from mapreduce.encoding import STR_TAG, decode_key, unpack_value
from mapreduce.engine.collect import Collector
from mapreduce.engine.context import TaskContext
from mapreduce.engine.heaviest import Heaviest
from mapreduce.engine.merge import FileRun
from mapreduce.formats.frames import INTEGERS, BlockWriter, Frame, RawFrame, columns, integers_of
from mapreduce.formats.kinds import Pairs
from mapreduce.formats.output import JsonLayout, jsonable, layout_of
from mapreduce.messages import Block, InputObject, MapTask, ReduceTask
from mapreduce.storage import ObjectInfo

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class StoredPairs:
    """Pairs on scratch disk, in key order: one block of frames.

    Attributes:
        path: the file.
        block: what is in it.
    """

    path: Path
    block: Block

    @property
    def records(self) -> int:
        """Pairs in it."""
        return self.block.records

    @property
    def run(self) -> FileRun:
        """The pairs as a run."""
        return FileRun(self.path, 0, self.block.length, "the task's own pairs")

    def is_object(self) -> bool:
        """True when every key is a str and none comes twice."""
        previous: bytes | None = None
        for frame in self.run.frames():
            # they are sorted, and a str has the greatest tag: if the first is one, so are all
            if frame.keys[0][0] != STR_TAG or frame.keys[0] == previous or len(set(frame.keys)) < len(frame.keys):
                return False
            previous = frame.keys[-1]
        return True


def store_pairs(collector: Collector, folder: Path) -> StoredPairs:
    """What a collector of one partition has been given, in key order."""
    path = folder / "result"
    with path.open("wb") as file:
        (block,) = collector.finish(file)
    return StoredPairs(path, block)


def store_written(write: Callable[[BlockWriter], None], folder: Path) -> StoredPairs:
    """Pairs that are in key order already."""
    path = folder / "ordered"
    with path.open("wb") as file:
        writer = BlockWriter(file)
        write(writer)
    block = Block(
        offset=0, length=writer.length, records=writer.records, checksum=writer.checksum, integers=writer.integers
    )
    return StoredPairs(path, block)


@dataclass(frozen=True, slots=True)
class Part:
    """A written part: its object, its heaviest pairs as JSON values, and the object for the next step."""

    info: ObjectInfo
    top: tuple[Pair, ...]
    pairs: InputObject | None


def write_part(stored: StoredPairs, task: MapTask | ReduceTask, context: TaskContext, *, whole: bool) -> Part:
    """Writes the task's part under the attempt's own name.

    Args:
        stored: the part's pairs, in key order.
        task: names the part.
        context: where it is written.
        whole: the part is the whole result, so it becomes a .json document; else one of several, .jsonl.
    """
    rendered = stored.path.with_name("part")
    layout = layout_of("json" if whole else "jsonl", as_object=whole and stored.is_object())
    top = Heaviest(task.top)
    with rendered.open("wb") as file:
        file.writelines(_rendered(stored.run.raw_frames(), layout, top))
    url = keys.part_attempt(task.store, task.run, task.index, task.attempt, "json" if whole else "jsonl")
    info = context.storage.write(url, rendered)
    pairs: InputObject | None = None
    if task.keep_pairs:
        kept = context.storage.write(keys.pairs_attempt(task.store, task.run, task.index, task.attempt), stored.path)
        pairs = InputObject(url=kept.url, size=kept.size, etag=kept.etag, name="previous", format=Pairs())
    return Part(info, tuple((jsonable(key), jsonable(value)) for key, value in top.pairs()), pairs)


def _rendered(frames: Iterable[RawFrame], layout: JsonLayout, top: Heaviest) -> Iterator[bytes]:
    yield layout.head
    separator = b""
    for raw in frames:
        frame: Frame | None = None
        rows = layout.rows_of_frame(raw)
        if rows is None or _may_be_heavy(raw, top):
            frame = columns(raw)
            _offer(frame, top)
        if rows is None:
            assert frame is not None
            rows = layout.rows((jsonable(decode_key(key)), jsonable(value)) for key, value in _pairs(frame))
        yield separator + rows
        separator = layout.separator
    yield layout.tail


def _may_be_heavy(raw: RawFrame, top: Heaviest) -> bool:
    return raw[0] != INTEGERS or max(integers_of(raw)) > top.threshold


def _offer(frame: Frame, top: Heaviest) -> None:
    for key, value in zip(frame.keys, frame.values, strict=True):
        if type(value) is not int or value > top.threshold:
            top.offer(decode_key(key), unpack_value(value))


def _pairs(frame: Frame) -> Iterator[tuple[bytes, Any]]:
    return zip(frame.keys, map(unpack_value, frame.values), strict=True)
