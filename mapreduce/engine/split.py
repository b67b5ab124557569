"""The split stage: plan the byte ranges of the map tasks.

Planning copies nothing; copy mode also writes chunk files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from mapreduce.engine.chunks import copy_splits
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.sample import PLACES, key_boundaries, write_boundaries
from mapreduce.errors import InputError
from mapreduce.formats.inspection import cuttable, look_at, marked
from mapreduce.formats.values import MOST_BYTES, value_ranges
from mapreduce.input_formats import Compression, Values
from mapreduce.storage import Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import (
    ByteRange,
    InputObject,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
    StoredObject,
)

LOOKS = 16
"""Inputs inspected at the same time."""
LONGEST_PACK = 4
"""A pack is at most this many times longer than wanted."""


def run_split(task: SplitTask, context: TaskContext) -> SplitResult:
    """Inspect each input and plan the splits of a run.

    Raises:
        ObjectMissing: an input is missing.
        InputChanged: an input has changed since the run was planned.
        RecordError: an input does not have its format.
    """
    stopwatch = Stopwatch(context.storage)
    with ThreadPoolExecutor(LOOKS) as pool:
        compressions = list(pool.map(lambda given: look_at(given, context.storage), task.inputs))
    if any(given.format.kind == "values" for given in task.inputs):
        splits = _of_values(task.inputs, compressions, context.storage)
    else:
        splits = _marked(plan_splits(task.inputs, task.cut, compressions, task.broadcast), context)
    boundaries: StoredObject | None = None
    if task.key_ranges is not None and task.job is not None:
        samples = _samples(task, compressions, context)
        found = key_boundaries(task.job, samples, task.key_ranges, context)
        boundaries = write_boundaries(task, found, context.storage)
    read = written = 0
    unpacked: dict[str, int] = {}
    if task.mode == "copy":
        splits, read, written, unpacked = copy_splits(task, splits, context)
    return SplitResult(
        splits=splits,
        unpacked=unpacked,
        boundaries=boundaries,
        bytes_read=read,
        bytes_written=written,
        cost=stopwatch.cost(),
    )


def plan_splits(
    inputs: Sequence[InputObject],
    cut: SplitRule,
    compressions: Sequence[Compression | None] = (),
    broadcast: str = "",
) -> tuple[Split, ...]:
    """Cut the inputs into the splits of the map tasks.

    With a length each input is cut by its own grid, and short inputs are packed: an input that is
    added, renamed or removed changes no split but its own. With a number of splits the inputs are
    laid end to end and cut into ranges of equal length; there are fewer if they have fewer bytes.

    Args:
        inputs: in the order of their records.
        cut: the number or the length of the splits.
        compressions: one for each input; empty if none is compressed.
        broadcast: the name of the inputs that are in each split, beside its own; "" for none.

    Returns:
        Splits that together hold each byte of each input once, in order. An input that cannot be
            cut lies whole in one split. Empty inputs are in none, unless one may be a record;
            without any byte range there is no split.
    """
    given = [
        _Input(each, compression, each.size or each.format.counts_empty)
        for each, compression in zip(inputs, compressions or [None] * len(inputs), strict=True)
    ]
    beside = None
    if broadcast:
        small = [each for each in given if each.object.name == broadcast]
        given = [each for each in given if each.object.name != broadcast]
        beside = tuple(each.piece(0, each.object.size) for each in small if each.weight)
    ranges = (
        _end_to_end(given, cut.splits or 1)
        if cut.split_bytes is None
        else _by_grid(given, cut.split_bytes, cut.pack_bytes or cut.split_bytes)
    )
    return tuple(
        Split(index=index, pieces=tuple(pieces), beside=beside)
        for index, pieces in enumerate(filter(None, ranges))
    )


@dataclass(frozen=True, slots=True)
class _Input:
    """An input, its compression, and its weight: its bytes, or 1 for an empty file that counts."""

    object: InputObject
    compression: Compression | None
    weight: int

    @property
    def cuttable(self) -> bool:
        return cuttable(self.object, self.compression)

    def piece(self, start: int, end: int) -> ByteRange:
        """Return one byte range of it."""
        given = self.object
        return ByteRange(
            url=given.url,
            etag=given.etag,
            size=given.size,
            start=start,
            end=end,
            source=given.url,
            name=given.name,
            format=given.format,
            compression=self.compression,
        )


def _of_values(
    inputs: Sequence[InputObject], compressions: Sequence[Compression | None], storage: Storage
) -> tuple[Split, ...]:
    """Return a split for each value; raises `InputError` where an input cannot be read so."""
    pieces: list[ByteRange] = []
    for given, compression in zip(inputs, compressions, strict=True):
        if compression is not None or given.size > MOST_BYTES:
            what = "is compressed" if compression else "is longer than 64 MiB"
            raise InputError(f"{given.url} {what}; --over takes a short text file, a value a line")
        content = storage.read(given.url, etag=given.etag)
        whole = _Input(given, None, given.size)
        for start, end in value_ranges(content, given.url):
            form = Values(first=len(pieces))
            pieces.append(whole.piece(start, end).model_copy(update={"format": form}))
    return tuple(Split(index=index, pieces=(piece,)) for index, piece in enumerate(pieces))


def _by_grid(
    inputs: Sequence[_Input], split_bytes: int, pack_bytes: int
) -> Iterator[list[ByteRange]]:
    """Yield the byte ranges of each split, where no input moves the cuts of another one."""
    pack: list[ByteRange] = []
    packed = 0
    for given in inputs:
        size = given.object.size
        if given.weight >= pack_bytes:
            yield pack
            pack, packed = [], 0
            # as many ranges as the length asks for, of equal length but for a byte
            count = -(-size // split_bytes) if given.cuttable else 1
            edges = [size * number // count for number in range(count + 1)]
            yield from ([given.piece(start, end)] for start, end in pairwise(edges))
        elif given.weight:
            pack.append(given.piece(0, size))
            packed += given.weight
            if _ends_pack(given, pack_bytes) or packed >= LONGEST_PACK * pack_bytes:
                yield pack
                pack, packed = [], 0
    yield pack


def _ends_pack(given: _Input, pack_bytes: int) -> bool:
    """Return whether a pack ends with this input.

    Its URL and size alone decide, with a probability of its share of a pack: so packs have about
    the wanted length, and the next pack begins at the same input whatever this one holds.
    """
    chance = int(digest_of_bytes(given.object.url.encode()), 16)
    return chance * pack_bytes < given.weight << 128


def _end_to_end(inputs: Sequence[_Input], splits: int) -> Iterator[list[ByteRange]]:
    """Yield the byte ranges of each split of the inputs laid end to end."""
    total = sum(given.weight for given in inputs)
    count = max(1, min(splits, total))
    # integer division spreads the remainder, so that lengths differ by at most one byte
    edges = [total * number // count for number in range(count + 1)]
    return (list(_between(inputs, start, end)) for start, end in pairwise(edges))


def _between(inputs: Sequence[_Input], start: int, end: int) -> Iterator[ByteRange]:
    """Yield the byte ranges in [start, end) of the inputs laid end to end."""
    base = 0
    for given in inputs:
        begin, stop = max(start - base, 0), min(end - base, given.weight)
        if begin < stop and given.cuttable:
            yield given.piece(begin, stop)
        # an input that cannot be cut belongs to the split that holds its first byte
        elif begin < stop and begin == 0:
            yield given.piece(0, given.object.size)
        base += given.weight


def _marked(splits: tuple[Split, ...], context: TaskContext) -> tuple[Split, ...]:
    """Return the splits with the state at the start of each byte range: CSV header and quoting."""
    beside = splits[0].beside if splits else None
    done = iter(
        marked(
            [*(beside or ()), *(piece for split in splits for piece in split.pieces)],
            context.storage,
            context.limits,
        )
    )
    if beside is not None:
        beside = tuple(next(done) for _ in beside)
    return tuple(
        split.model_copy(
            update={"pieces": tuple(next(done) for _ in split.pieces), "beside": beside}
        )
        for split in splits
    )


def _samples(
    task: SplitTask, compressions: Sequence[Compression | None], context: TaskContext
) -> list[ByteRange]:
    """Return byte ranges spread over the inputs, to sample their first records."""
    splits = _marked(plan_splits(task.inputs, SplitRule(splits=PLACES), compressions), context)
    return [byte_range for split in splits for byte_range in split.pieces]
