"""The index of a map object's blocks: its last bytes. Pure.

Blocks lie one after another, by partition. After them comes one entry of `ENTRY_BYTES` for each
block (little-endian: offset, length, records, checksum, flags, and 32 bits of the xxh3_64 of these
and of the partition). All entries have one length, so a reduce task that knows the object's size
and the number of partitions reads its entry alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import xxhash

from mapreduce.errors import CorruptBlock
from mapreduce.formats.frames import CHECKSUM_MODULO
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import Block, BlocksSum

_ENTRY = struct.Struct("<QQQQI")
_CHECK = struct.Struct("<I")
_SEALED = struct.Struct("<QQQ")
ENTRY_BYTES = _ENTRY.size + _CHECK.size


def index_of(blocks: Sequence[Block]) -> bytes:
    """Return the index of blocks, one for each partition."""
    return b"".join(_entry(number, block) for number, block in enumerate(blocks))


def sum_of(blocks: Sequence[Block], index: bytes) -> BlocksSum:
    """Return what is said of all blocks together; `index` is theirs."""
    return BlocksSum(
        partitions=len(blocks), digest=digest_of_bytes(index), seal=sealed(enumerate(blocks))
    )


def sealed(blocks: Iterable[tuple[int, Block]]) -> int:
    """Return the seal of blocks, each with its partition, in any order.

    The seals of all map outputs together equal those of all partitions together only if every block
    was read once, and by the task of its own partition.
    """
    return sum(seal(number, block) for number, block in blocks) % CHECKSUM_MODULO


def seal(partition: int, block: Block) -> int:
    """Return the seal of one block: a hash of its partition, count and checksum."""
    return xxhash.xxh3_64_intdigest(_SEALED.pack(partition, block.records, block.checksum))


def entry_range(size: int, partitions: int, number: int) -> tuple[int, int]:
    """Return the byte range of a partition's entry in an object of `size` bytes."""
    start = size - (partitions - number) * ENTRY_BYTES
    return start, start + ENTRY_BYTES


def parse_entry(data: bytes, number: int, url: str) -> Block:
    """Return the block of an entry.

    Args:
        data: the entry.
        number: its partition.
        url: the object.

    Raises:
        CorruptBlock: a byte is not as it was written.
    """
    if len(data) != ENTRY_BYTES or _check(number, data[: _ENTRY.size]) != data[_ENTRY.size :]:
        raise CorruptBlock(f"the index of {url} is damaged at partition {number}", url=url)
    offset, length, records, checksum, flags = _ENTRY.unpack_from(data)
    return Block(offset, length, records, checksum, bool(flags))


def parse_index(index: bytes, url: str) -> list[Block]:
    """Return the blocks of an index, one for each partition; raises `CorruptBlock`."""
    entries = range(0, len(index), ENTRY_BYTES)
    return [
        parse_entry(index[at : at + ENTRY_BYTES], number, url) for number, at in enumerate(entries)
    ]


def _entry(number: int, block: Block) -> bytes:
    fields = _ENTRY.pack(
        block.offset, block.length, block.records, block.checksum, int(block.integers)
    )
    return fields + _check(number, fields)


def _check(number: int, fields: bytes) -> bytes:
    return _CHECK.pack(xxhash.xxh3_64_intdigest(fields, number) & 0xFFFFFFFF)
