"""A part of the result, rendered from pairs on scratch disk: for people, and for the next step of a chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapreduce import keys
from mapreduce.encoding import STR_TAG, decode_key, unpack_value
from mapreduce.engine.collect import Collector
from mapreduce.engine.context import TaskContext
from mapreduce.engine.heaviest import Heaviest
from mapreduce.engine.merge import Run, run_of_file
from mapreduce.formats.kinds import Pairs
from mapreduce.formats.output import jsonable, write_pairs
from mapreduce.messages import InputObject, MapTask, ReduceTask
from mapreduce.storage import ObjectInfo

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class StoredPairs:
    """Pairs on scratch disk, one block of frames.

    Attributes:
        path: the file.
        length: bytes in it.
        records: pairs in it.
    """

    path: Path
    length: int
    records: int

    def pairs(self) -> Iterator[Pair]:
        """The pairs, decoded, in the order in which they were stored."""
        for frame in self._run():
            for key, packed in zip(frame.keys, frame.values, strict=True):
                yield decode_key(key), unpack_value(packed)

    def is_object(self) -> bool:
        """True when every key is a str and, the keys being sorted, none comes twice."""
        previous: bytes | None = None
        for key in (key for frame in self._run() for key in frame.keys):
            if key[0] != STR_TAG or key == previous:
                return False
            previous = key
        return True

    @property
    def _run(self) -> Run:
        return run_of_file(self.path, 0, self.length, "the task's own pairs")


def store_pairs(collector: Collector, folder: Path) -> StoredPairs:
    """What a collector of one partition has been given, in key order."""
    path = folder / "result"
    with path.open("wb") as file:
        (block,) = collector.finish(file)
    return StoredPairs(path, block.length, block.records)


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
    top = _render(stored, rendered, task.top, whole=whole)
    url = keys.part_attempt(task.store, task.run, task.index, task.attempt, "json" if whole else "jsonl")
    info = context.storage.write(url, rendered)
    pairs: InputObject | None = None
    if task.keep_pairs:
        kept = context.storage.write(keys.pairs_attempt(task.store, task.run, task.index, task.attempt), stored.path)
        pairs = InputObject(url=kept.url, size=kept.size, etag=kept.etag, name="previous", format=Pairs())
    return Part(info, tuple((jsonable(key), jsonable(value)) for key, value in top.pairs()), pairs)


def _render(stored: StoredPairs, path: Path, limit: int, *, whole: bool) -> Heaviest:
    top = Heaviest(limit)

    def offered() -> Iterator[Pair]:
        for key, value in stored.pairs():
            top.offer(key, value)
            yield jsonable(key), jsonable(value)

    with path.open("wb") as file:
        style = "json" if whole else "jsonl"
        file.writelines(write_pairs(offered(), style, as_object=whole and stored.is_object()))  # type: ignore[arg-type]
    return top
