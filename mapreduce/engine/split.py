"""The split stage: which byte ranges the map tasks read. Planning copies nothing; copy mode writes chunk files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mapreduce import keys
from mapreduce.engine.context import Stopwatch, TaskContext
from mapreduce.errors import InputChanged
from mapreduce.formats.text import owned_blocks
from mapreduce.messages import InputObject, Piece, Split, SplitResult, SplitTask
from mapreduce.storage import Storage


def run_split(task: SplitTask, context: TaskContext) -> SplitResult:
    """Plans the splits of a run, after a look at each input.

    Raises:
        ObjectMissing: an input is gone.
        InputChanged: an input is not the one that the run was given.
    """
    stopwatch = Stopwatch()
    for given in task.inputs:
        found = context.storage.head(given.url)
        if (found.etag, found.size) != (given.etag, given.size):
            raise InputChanged(f"{given.url} has changed since the run was planned; run again to take it as it is now")
    splits = plan_splits(task.inputs, splits=task.splits, split_bytes=task.split_bytes)
    read = written = 0
    if task.mode == "copy":
        splits, read, written = _copy(task, splits, context)
    return SplitResult(splits=splits, bytes_read=read, bytes_written=written, cost=stopwatch.cost())


def plan_splits(
    inputs: tuple[InputObject, ...], *, splits: int | None = None, split_bytes: int | None = None
) -> tuple[Split, ...]:
    """Cuts the inputs, laid end to end, into ranges of equal length.

    Args:
        inputs: in the order in which their records count.
        splits: how many ranges there should be; there are fewer when the inputs have fewer bytes.
        split_bytes: how long a range should be; used when `splits` is None.

    Returns:
        Splits that together hold each byte of each input once, in order. Small inputs share one. Inputs without a
        byte are in none; when all are empty there is no split.
    """
    total = sum(given.size for given in inputs)
    if not total:
        return ()
    if splits is None:
        splits = -(-total // (split_bytes or total))
    count = max(1, min(splits, total))
    edges = [total * number // count for number in range(count + 1)]
    return tuple(
        Split(index=index, pieces=tuple(_pieces(inputs, edges[index], edges[index + 1]))) for index in range(count)
    )


def _pieces(inputs: tuple[InputObject, ...], start: int, end: int) -> Iterator[Piece]:
    """The ranges of the inputs that [start, end) of all of them, laid end to end, covers."""
    base = 0
    for given in inputs:
        begin, stop = max(start - base, 0), min(end - base, given.size)
        if begin < stop:
            yield Piece(url=given.url, etag=given.etag, size=given.size, start=begin, end=stop, source=given.url)
        base += given.size


def _copy(task: SplitTask, splits: tuple[Split, ...], context: TaskContext) -> tuple[tuple[Split, ...], int, int]:
    """Writes each range's records as a chunk file; the new splits read the chunk files whole."""
    chunked: list[Split] = []
    read = written = number = 0
    with context.scratch_folder() as folder:
        for split in splits:
            pieces: list[Piece] = []
            for piece in split.pieces:
                chunk = folder / "chunk"
                first = _write_records(piece, context.storage, chunk)
                read += piece.length
                context.meter.bytes = read
                if first is None:
                    continue
                info = context.storage.write(keys.chunk(task.store, task.run, number), chunk)
                pieces.append(
                    Piece(
                        url=info.url,
                        etag=info.etag,
                        size=info.size,
                        start=0,
                        end=info.size,
                        source=piece.source,
                        source_offset=first,
                    )
                )
                number += 1
                written += info.size
            if pieces:
                chunked.append(Split(index=len(chunked), pieces=tuple(pieces)))
    return tuple(chunked), read, written


def _write_records(piece: Piece, storage: Storage, path: Path) -> int | None:
    """Writes the piece's records to a file; returns the first one's offset, or None when it has none."""

    def read(start: int, end: int) -> Iterator[bytes]:
        return storage.stream(piece.url, start, end, etag=piece.etag)

    first: int | None = None
    with path.open("wb") as file:
        for position, block in owned_blocks(read, piece.start, piece.end, piece.size):
            first = position if first is None else first
            file.write(block)
    return first
