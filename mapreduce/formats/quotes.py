"""Whether positions in separated values are inside quotes, which all bytes before them decide.

A pass over the object counts its quotes. Without an escape the counts of its parts add up, so that
several threads count at the same time: they read and count without the GIL.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise

from mapreduce.formats.base import ReadRange
from mapreduce.formats.quoted_rows import PLAIN, Marks, quoted_after
from mapreduce.formats.text import count_byte
from mapreduce.storage.base import BLOCK_BYTES

MOST_THREADS = 4
"""Each holds a few blocks."""


def states_before(
    positions: Sequence[int], read: ReadRange, marks: Marks = PLAIN, top: int = 0
) -> Iterator[tuple[bool, bool]]:
    """Yield whether each position is inside quotes, and whether the byte before it is escaped.

    Reads the object once, from `top`, where the first row begins, up to the last position, and not
    at all where there are no quotes; the positions must ascend.
    """
    if marks.escape is not None:
        return _one_by_one(positions, read, marks, top)
    if marks.quote is None:
        return ((False, False) for _ in positions)
    found = quotes_before(positions, read, marks.quote, top)
    return ((count % 2 == 1, False) for count in found)


def quotes_before(
    positions: Sequence[int],
    read: ReadRange,
    quote: bytes,
    top: int = 0,
    *,
    threads: int = 0,
    block_bytes: int = BLOCK_BYTES,
) -> list[int]:
    """Return how many quotes there are from `top` up to each position.

    Args:
        positions: in ascending order.
        read: reads a range of the object, in several threads at the same time.
        quote: one byte.
        top: where counting begins.
        threads: at most so many; 0: one for each processor.
        block_bytes: a thread reads whole blocks, so that all together make no more requests.
    """
    last = positions[-1] if positions else 0
    blocks = -(-max(0, last - top) // block_bytes)
    parts = min(blocks, threads or min(MOST_THREADS, os.cpu_count() or 1))
    if not parts:
        return [0] * len(positions)
    cuts = [min(last, top + blocks * part // parts * block_bytes) for part in range(parts + 1)]
    edges = sorted({*cuts, *(max(position, top) for position in positions)})

    def counted(part: tuple[int, int]) -> list[int]:
        begin, end = part
        return _between([edge for edge in edges if begin <= edge <= end], read, quote)

    with ThreadPoolExecutor(parts) as pool:
        of_each = [count for counts in pool.map(counted, pairwise(cuts)) for count in counts]
    before = dict(zip(edges, accumulate(of_each, initial=0), strict=True))
    return [before[max(position, top)] for position in positions]


def _between(edges: Sequence[int], read: ReadRange, quote: bytes) -> list[int]:
    """Return how many quotes there are between neighbouring edges."""
    counts = [0] * (len(edges) - 1)
    at, number = edges[0], 0
    for block in read(edges[0], edges[-1]):
        begin = 0
        while begin < len(block):
            end = min(len(block), begin + edges[number + 1] - at)
            whole = end - begin == len(block)
            counts[number] += count_byte(block if whole else block[begin:end], quote)
            at, begin = at + end - begin, end
            number += at == edges[number + 1]
    return counts


def _one_by_one(
    positions: Sequence[int], read: ReadRange, marks: Marks, top: int
) -> Iterator[tuple[bool, bool]]:
    """Yield the states where an escape may take a quote's meaning: each byte depends on the one
    before it.
    """
    last = positions[-1] if positions else 0
    blocks = read(top, last) if last > top else iter(())
    block, begin, quoted, escaped = b"", top, False, False

    def go_to(position: int) -> None:
        nonlocal block, begin, quoted, escaped
        while begin < position:
            part = block[: position - begin]
            view, escaped = marks.view(part, escaped)
            quoted = quoted_after(view, quoted)
            begin, block = begin + len(part), block[len(part) :]
            if begin < position:
                block = next(blocks)

    for position in positions:
        go_to(position - 1)
        before = escaped
        go_to(position)
        yield quoted, before
