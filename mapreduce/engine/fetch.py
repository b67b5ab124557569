"""Find and fetch the blocks of one partition.

The driver writes a list of all map outputs; a reduce task reads from each of them the index entry
of its partition, and then the blocks that are not empty. Over a network many requests are under way
at a time, because most of a small block's time is the answer's delay.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mapreduce.engine.block_index import entry_range, parse_entry, seal
from mapreduce.engine.context import TaskContext
from mapreduce.engine.stored import read_stored, write_stored
from mapreduce.errors import InputChanged, ObjectMissing, OutputLost, UsageError
from mapreduce.formats.frames import CHECKSUM_MODULO
from mapreduce.storage import Storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire import keys
from mapreduce.wire.messages import Block, JoinedPart, MapResult, ReduceTask, StoredObject

SMALL_BYTES = 64 << 10
"""A block up to this length is fetched together with its entry, unless all would need too much
memory."""
SHARE = 4
"""One quarter of the task's memory holds fetched blocks, another one those that come next."""

Given = TypeVar("Given")
Made = TypeVar("Made")


JOINED = -1
"""The `index` of a part of an earlier step."""


@dataclass(frozen=True, slots=True)
class MapOutput:
    """The object of a map attempt, as the list of outputs names it; `index` is the map task's.

    For a reduce that joins an earlier step, also the part of that step, with the index `JOINED`.
    """

    index: int
    url: str
    etag: str
    size: int

    def __str__(self) -> str:
        """Return its name in errors."""
        what = "the joined part" if self.index == JOINED else f"the output of map-{self.index}"
        return f"{what}, {self.url},"


@dataclass(frozen=True, slots=True)
class BlockSource:
    """A block, and the map output that holds it; `data` are its bytes if they are fetched."""

    output: MapOutput
    block: Block
    data: bytes | None = None


@dataclass(slots=True)
class Partition:
    """The blocks of one partition that hold pairs, and the sums over all index entries."""

    sources: list[BlockSource] = field(default_factory=list)
    bytes: int = 0
    records: int = 0
    checksum: int = 0
    seal: int = 0

    def add(self, number: int, block: Block) -> None:
        """Add a block of the partition `number` to the sums."""
        self.bytes += block.length
        self.records += block.records
        self.checksum = (self.checksum + block.checksum) % CHECKSUM_MODULO
        self.seal = (self.seal + seal(number, block)) % CHECKSUM_MODULO


def write_list(maps: Sequence[MapResult], store: str, run: str, storage: Storage) -> StoredObject:
    """Write the list of the map outputs that a run's reduce tasks read: a JSON array a line.

    Args:
        maps: the result of each map task, in the order of their blocks.
        store: the root URL of the store.
        run: the run.
        storage: where it is written.
    """
    lines = (json.dumps([each.url, each.etag, each.size]) for each in maps)
    data = "".join(f"{line}\n" for line in lines).encode()
    return write_stored(storage, keys.map_outputs(store, run, digest_of_bytes(data)), data)


def read_list(listed: StoredObject, storage: Storage) -> list[MapOutput]:
    """Return the map outputs of a list, in its order; raises as `read_stored`."""
    lines = json.loads(b"[%b]" % b",".join(read_stored(listed, storage).splitlines()))
    return [MapOutput(index, *line) for index, line in enumerate(lines)]


def find_blocks(task: ReduceTask, context: TaskContext) -> Partition:
    """Read the index entries of a reduce task's partition.

    Raises:
        OutputLost: the list or a map output is missing or has changed.
        CorruptBlock: the list or an entry is not as it was written.
    """
    if task.outputs is None:
        raise UsageError(f"reduce-{task.index} has no list of map outputs")
    storage, number, partitions = context.storage, task.index, task.partitions
    outputs = read_list(task.outputs, storage)
    small = min(SMALL_BYTES, context.memory_bytes // (SHARE * max(1, len(outputs))))

    def look(output: MapOutput) -> BlockSource:
        with _lost(output):
            start, end = entry_range(output.size, partitions, number)
            data = storage.read(output.url, start, end, etag=output.etag)
            block = parse_entry(data, number, output.url)
            if 0 < block.length <= small:
                data = storage.read(
                    output.url, block.offset, block.offset + block.length, etag=output.etag
                )
                context.meter.bytes += block.length
                return BlockSource(output, block, data)
            return BlockSource(output, block)

    found = Partition()
    with fetching(storage, task.outputs.url) as pool:
        for source in each_of(look, outputs, pool):
            found.add(number, source.block)
            # an empty block has nothing to merge
            if source.block.records:
                found.sources.append(source)
    return found


def joined_source(part: JoinedPart) -> BlockSource:
    """Return a part of an earlier step as a block."""
    block = Block(
        offset=0,
        length=part.size,
        records=part.records,
        checksum=part.checksum,
        integers=False,
    )
    return BlockSource(MapOutput(JOINED, part.url, part.etag, part.size), block)


def fetch(source: BlockSource, context: TaskContext) -> bytes:
    """Return the bytes of a block."""
    if source.data is not None:
        return source.data
    return b"".join(stream(source, context))


def stream(source: BlockSource, context: TaskContext) -> Iterator[bytes]:
    """Yield the bytes of a block as they come."""
    output, block = source.output, source.block
    with _lost(output):
        for piece in context.storage.stream(
            output.url,
            block.offset,
            block.offset + block.length,
            etag=output.etag,
            block_bytes=context.block_bytes,
        ):
            context.meter.bytes += len(piece)
            yield piece


@contextmanager
def fetching(storage: Storage, url: str | None) -> Iterator[Executor | None]:
    """Yield threads for as many requests as the store of an object should get at a time.

    Without an object, and where one request at a time is best, yield None.
    """
    at_once = storage.requests_at_once(url) if url else 1
    if at_once == 1:
        yield None
        return
    pool = ThreadPoolExecutor(at_once, thread_name_prefix="fetch")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def each_of(
    make: Callable[[Given], Made], given: Iterable[Given], pool: Executor | None
) -> Iterator[Made]:
    """Return what `make` returns for each, in order."""
    return map(make, given) if pool is None else pool.map(make, given)


@contextmanager
def _lost(output: MapOutput) -> Iterator[None]:
    try:
        yield
    except (ObjectMissing, InputChanged) as exc:
        raise OutputLost(f"{output} is missing or has changed", url=output.url) from exc
