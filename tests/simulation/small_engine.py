"""The work of a simulated service: sums that take no time, with all fields that a ledger compares.

A map writes one number for each partition; a reduce adds them up. A part depends on every map and
on nothing else, so exactly one answer is right, and a mixture of attempts gives another one.
"""

from __future__ import annotations

import json

from driver.plan.tasks import AnyTask
from mapreduce.engine.block_index import entry_range, index_of, parse_entry, sum_of
from mapreduce.engine.fetch import Partition, read_list
from mapreduce.errors import CorruptBlock, InputChanged, ObjectMissing, OutputLost
from mapreduce.storage import ObjectInfo, Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys
from mapreduce.wire.messages import (
    Block,
    ByteRange,
    Cost,
    MapResult,
    MapTask,
    RangeRead,
    ReduceResult,
    ReduceTask,
    Split,
    SplitResult,
    SplitTask,
)

COST = Cost(seconds=0.5, peak_memory_bytes=1)
BLOCK_BYTES = 12


def carry_out(task: AnyTask, storage: Storage) -> SplitResult | MapResult | ReduceResult:
    """Carry out a task over a store; raise as the engine does."""
    if isinstance(task, SplitTask):
        return _split(task)
    return _map(task, storage) if isinstance(task, MapTask) else _reduce(task, storage)


def number(index: int, partition: int) -> int:
    """Return the number that a map writes for a partition."""
    return (index + 1) * 1009 + partition * 7


def right_part(partition: int, maps: int) -> bytes:
    """Return the right content of a part."""
    return json.dumps(
        {"partition": partition, "sum": sum(number(index, partition) for index in range(maps))}
    ).encode()


def _split(task: SplitTask) -> SplitResult:
    (given,) = task.inputs
    count = task.cut.splits or 1
    edges = [given.size * each // count for each in range(count + 1)]
    splits = tuple(
        Split(
            index=index,
            pieces=(
                ByteRange(
                    url=given.url,
                    etag=given.etag,
                    size=given.size,
                    start=edges[index],
                    end=edges[index + 1],
                    source=given.url,
                ),
            ),
        )
        for index in range(count)
    )
    return SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)


def _map(task: MapTask, storage: Storage) -> MapResult:
    (piece,) = task.split.pieces
    storage.read(piece.url, piece.start, piece.end, etag=piece.etag)
    numbers = [number(task.index, each) for each in range(task.partitions)]
    content = "".join(f"{each:{BLOCK_BYTES}d}" for each in numbers).encode()
    blocks = [
        Block(offset=at * BLOCK_BYTES, length=BLOCK_BYTES, records=1, checksum=each, integers=True)
        for at, each in enumerate(numbers)
    ]
    index = index_of(blocks)
    url = keys.map_attempt(task.store, task.run, task.index, task.attempt)
    info = _kept(storage, url, content + index)
    return MapResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        digest=info.digest,
        pieces=(RangeRead(source=piece.source, start=piece.start, bytes_owned=piece.length),),
        records_in=1,
        records_out=len(blocks),
        blocks=sum_of(blocks, index),
        counters={},
        cost=COST,
    )


def _reduce(task: ReduceTask, storage: Storage) -> ReduceResult:
    assert task.outputs is not None
    total, sums = 0, Partition()
    for output in read_list(task.outputs, storage):
        start, end = entry_range(output.size, task.partitions, task.index)
        try:
            entry = storage.read(output.url, start, end, etag=output.etag)
            block = parse_entry(entry, task.index, output.url)
            end = block.offset + block.length
            data = storage.read(output.url, block.offset, end, etag=output.etag)
        except (ObjectMissing, InputChanged) as exc:
            raise OutputLost(f"the output of map-{output.index} is gone", url=output.url) from exc
        if data != f"{block.checksum:{BLOCK_BYTES}d}".encode():
            raise CorruptBlock("a block is not as it was written", url=output.url)
        total += int(data)
        sums.add(task.index, block)
    content = json.dumps({"partition": task.index, "sum": total}).encode()
    ending = "json" if task.partitions == 1 else "jsonl"
    info = _kept(
        storage, keys.part_attempt(task.store, task.run, task.index, task.attempt, ending), content
    )
    return ReduceResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        digest=info.digest,
        bytes_in=sums.bytes,
        records_in=sums.records,
        checksum_in=sums.checksum,
        records_indexed=sums.records,
        checksum_indexed=sums.checksum,
        seal=sums.seal,
        records_out=1,
        top=(),
        counters={},
        cost=COST,
    )


def _kept(storage: Storage, url: str, content: bytes) -> ObjectInfo:
    info = storage.write(url, content)
    return ObjectInfo(info.url, info.size, info.etag, digest_of_bytes(content))
