"""Reads a run's result from its parts: in key order, or in the order in which it was yielded."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from mapreduce.encoding import encode_key
from mapreduce.formats.json_values import key_of_json, plain_key, typed_key
from mapreduce.formats.output import JsonPair, read_pairs
from mapreduce.storage import Storage
from mapreduce.storage.base import BLOCK_BYTES

BLOCKS_BYTES = 64 << 20
"""Memory for reading: all parts are read at the same time, and a block of each is in memory."""
BLOCK_LEAST_BYTES = 256 << 10


def read_result(
    urls: Sequence[str], storage: Storage, *, keep_order: bool = False, typed: bool = False
) -> Iterator[JsonPair]:
    """Yield all pairs of a result.

    Args:
        urls: its parts.
        storage: reads them.
        keep_order: one part after another, as they are; else the parts must be in key order each,
            and so are the pairs.
        typed: dates, times and decimal numbers in keys as they are, and not as texts.
    """
    pairs = read_keyed(urls, storage, keep_order=keep_order, typed=typed)
    return (pair for _, pair in pairs)


def read_keyed(
    urls: Sequence[str], storage: Storage, *, keep_order: bool = False, typed: bool = False
) -> Iterator[tuple[bytes, JsonPair]]:
    """Yield each pair of `read_result` with its encoded key."""
    if keep_order:
        for url in urls:
            yield from _keyed(read_pairs(_lines(url, storage, BLOCK_BYTES)), typed=typed)
        return
    size = min(BLOCK_BYTES, max(BLOCK_LEAST_BYTES, BLOCKS_BYTES // max(1, len(urls))))
    keyed = [_keyed(read_pairs(_lines(url, storage, size)), typed=typed) for url in urls]
    yield from heapq.merge(*keyed, key=lambda keyed: keyed[0])


def _keyed(pairs: Iterator[JsonPair], *, typed: bool) -> Iterator[tuple[bytes, JsonPair]]:
    shown = typed_key if typed else plain_key
    return ((encode_key(key_of_json(key)), (shown(key), value)) for key, value in pairs)


def _lines(url: str, storage: Storage, block_bytes: int) -> Iterator[bytes]:
    """Yield the lines of an object, read in blocks."""
    rest = b""
    info = storage.head(url)
    for block in storage.stream(url, 0, info.size, etag=info.etag, block_bytes=block_bytes):
        first, *others = block.split(b"\n")
        if not others:
            rest += first
            continue
        yield rest + first
        yield from others[:-1]
        rest = others[-1]
    if rest:
        yield rest
