"""The split stage: plan the byte ranges of the map tasks.

Planning copies nothing; copy mode also writes chunk files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mapreduce.engine.chunks import copy_splits
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.engine.sample import key_boundaries
from mapreduce.formats.inspection import cuttable, look_at, marked
from mapreduce.input_formats import Compression
from mapreduce.wire.messages import ByteRange, InputObject, Split, SplitResult, SplitTask

LOOKS = 16
"""Inputs inspected at the same time."""


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
    splits = _marked(
        plan_splits(task.inputs, compressions, splits=task.splits, split_bytes=task.split_bytes),
        context,
    )
    boundaries: tuple[str, ...] | None = None
    if task.key_ranges is not None and task.job is not None:
        boundaries = key_boundaries(
            task.job, _samples(task, compressions, context), task.key_ranges, context
        )
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
    compressions: Sequence[Compression | None] = (),
    *,
    splits: int | None = None,
    split_bytes: int | None = None,
) -> tuple[Split, ...]:
    """Cut the inputs, laid end to end, into ranges of equal length.

    Args:
        inputs: in the order of their records.
        compressions: one for each input; empty if none is compressed.
        splits: the number of ranges; there are fewer if the inputs have fewer bytes.
        split_bytes: the length of a range; used if `splits` is None.

    Returns:
        Splits that together hold each byte of each input once, in order. Small inputs share one. An
            input that cannot be cut lies whole in the split of its first byte. Empty inputs are in
            none, unless each file is a record; without any byte range there is no split.
    """
    weights = [given.size or (given.format.kind == "whole") for given in inputs]
    total = sum(weights)
    if not total:
        return ()
    if splits is None:
        splits = -(-total // (split_bytes or total))
    count = max(1, min(splits, total))
    laid = list(zip(inputs, compressions or [None] * len(inputs), weights, strict=True))
    # integer division spreads the remainder, so that lengths differ by at most one byte
    edges = [total * number // count for number in range(count + 1)]
    cut = (tuple(_pieces(laid, edges[number], edges[number + 1])) for number in range(count))
    return tuple(
        Split(index=index, pieces=pieces) for index, pieces in enumerate(filter(None, cut))
    )


def _pieces(
    laid: Sequence[tuple[InputObject, Compression | None, int]], start: int, end: int
) -> Iterator[ByteRange]:
    """Yield the byte ranges of the inputs that [start, end) of all of them, laid end to end,
    covers.
    """
    base = 0
    for given, compression, weight in laid:
        begin, stop = max(start - base, 0), min(end - base, weight)
        if begin < stop and cuttable(given, compression):
            yield _piece(given, compression, begin, stop)
        # an input that cannot be cut belongs to the split that holds its first byte
        elif begin < stop and begin == 0:
            yield _piece(given, compression, 0, given.size)
        base += weight


def _piece(given: InputObject, compression: Compression | None, start: int, end: int) -> ByteRange:
    return ByteRange(
        url=given.url,
        etag=given.etag,
        size=given.size,
        start=start,
        end=end,
        source=given.url,
        name=given.name,
        format=given.format,
        compression=compression,
    )


def _marked(splits: tuple[Split, ...], context: TaskContext) -> tuple[Split, ...]:
    """Return the splits with the state at the start of each byte range: CSV header and quoting."""
    done = iter(
        marked(
            [byte_range for split in splits for byte_range in split.pieces],
            context.storage,
            context.limits,
        )
    )
    return tuple(
        Split(index=split.index, pieces=tuple(next(done) for _ in split.pieces)) for split in splits
    )


def _samples(
    task: SplitTask, compressions: Sequence[Compression | None], context: TaskContext
) -> list[ByteRange]:
    """Return byte ranges spread over the inputs, to sample their first records."""
    from mapreduce.engine.sample import PLACES

    splits = _marked(plan_splits(task.inputs, compressions, splits=PLACES), context)
    return [byte_range for split in splits for byte_range in split.pieces]
