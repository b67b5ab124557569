"""How the input is cut: the length of splits and the number of reducers, by rule. Pure.

Both follow from the size of the input alone, so that another number of mappers cuts the same
splits. They change only where the input has grown to another power of four, so that a folder that
grows by a file keeps its splits.
"""

from __future__ import annotations

from collections.abc import Collection
from math import isqrt

from driver.text import bytes_text, plural
from mapreduce.wire.messages import SplitRule

MIB = 1 << 20
SHORTEST_SPLIT_BYTES = 64 << 10
"""The shortest default split: the start of a task costs more than to map so little text."""
LEAST_SPLITS = 8
"""Splits of an input of 4 MiB or more that is cut by rule, at least, so that several mappers have
work. A shorter one has fewer, and its splits grow with the square root too."""
LONG = 4
"""How many times as long a split is for a map in bulk, if there are two of them at least. A map
over columns opens a database, and groups the records of the whole split. A map over batches whose
values combine yields most of its keys again in each split, and the reduce stage merges them. Both
read several times the bytes in a second."""
LONGEST_FOR_SPEED_BYTES = 512 * MIB
"""Up to this length it is twice as long again: a task then takes seconds, and what it costs beside
its records, some 0.1 s, is little."""
SHORTEST_IN_BULK_BYTES = 256 << 10
"""The shortest default split of a map in bulk. An input of less than two is cut as any other."""
LEAST_PACKS = 64
"""Packs of an input of many short files, at least: one more file redoes one pack of them."""
PARTITION_BYTES = 8 << 30
"""Input for each reducer where the reduces get as much as the maps read: its blocks and its part
fit together on the 20 GiB disk of a Fargate task."""
COMBINED_BYTES = 64 << 30
"""Input for each reducer where the maps combine values into states of fixed size."""
SHUFFLED_BYTES = 64 * MIB
"""Input for each of the first `SOME_REDUCERS` where the maps do not combine."""
SOME_REDUCERS = 16


def scale_of(total_bytes: int) -> int:
    """Return the greatest power of four that is at most `total_bytes`, and at least 1."""
    exponent = max(1, total_bytes).bit_length() - 1
    return 1 << (exponent - exponent % 2)


def split_rule(
    total_bytes: int,
    *,
    chunks: int | None = None,
    chunk_bytes: int | None = None,
    least: int = 1,
    in_bulk: bool = False,
) -> SplitRule:
    """Return how to cut the input.

    By default the number of splits grows with the square root of the input, so that the blocks of
    the shuffle, of which there are splits times partitions, do not shrink: 1 GiB has 32 splits of
    32 MiB, 1 TiB has 1,024 of 1 GiB.

    Args:
        total_bytes: of all inputs.
        chunks: the number that the user asked for, if any.
        chunk_bytes: the length that the user asked for, if any.
        least: how many splits there are at least, if the input has as many bytes.
        in_bulk: the map takes many records at once (`prepare.maps_in_bulk`), and its splits are
            longer.
    """
    if chunks is not None:
        return SplitRule(splits=chunks)
    if chunk_bytes is not None:
        return SplitRule(split_bytes=chunk_bytes, pack_bytes=chunk_bytes)
    scale = scale_of(total_bytes)
    root = isqrt(scale // MIB)
    few = min(LEAST_SPLITS, max(1, isqrt(scale // SHORTEST_SPLIT_BYTES)))
    # one split may be longer than the input; several must divide it
    longest = max(1, -(-total_bytes // least)) if least > 1 else max(total_bytes, 1 << 60)
    length = max(SHORTEST_SPLIT_BYTES, scale // max(few, root))
    if in_bulk and total_bytes >= 2 * SHORTEST_IN_BULK_BYTES:
        wanted = max(LONG * length, min(2 * LONG * length, LONGEST_FOR_SPEED_BYTES))
        length = min(wanted, max(scale // 2, SHORTEST_IN_BULK_BYTES))
    return SplitRule(
        split_bytes=min(length, longest),
        pack_bytes=min(max(1, scale // max(LEAST_PACKS, root)), longest),
    )


def at_least(rule: SplitRule, split_bytes: int) -> SplitRule:
    """Return a rule whose splits have at least so many bytes, where the input has them."""
    if rule.split_bytes is None:
        return rule
    return rule.model_copy(update={"split_bytes": max(rule.split_bytes, split_bytes)})


def reducer_count(total_bytes: int, *, combines: bool) -> int:
    """Return the default number of reducers, a power of two.

    Args:
        total_bytes: of all inputs.
        combines: the maps combine the values of a key into a state of fixed size.
    """
    if combines:
        return _power_of_two(-(-total_bytes // COMBINED_BYTES))
    some = min(SOME_REDUCERS, scale_of(total_bytes) // (4 * SHUFFLED_BYTES) * 4)
    return _power_of_two(max(some, -(-total_bytes // PARTITION_BYTES)))


def reason(
    total_bytes: int,
    cut: SplitRule,
    partitions: int,
    said: Collection[str] = (),
    *,
    over: bool = False,
) -> str:
    """Return one line that says how the input is cut, and why.

    Args:
        total_bytes: of all inputs.
        cut: how it is cut.
        partitions: the number of partitions.
        said: the settings that the job says, such as `reducers`.
        over: each value is a split.
    """
    size, count = ("`chunk_size` of the job", "`reducers` of the job")
    size = size if "chunk_size" in said else "--chunk-size"
    count = count if "reducers" in said else "--reducers"
    length = (
        f"{plural(cut.splits, 'split')} ({'--over' if over else '--chunks'})"
        if cut.splits is not None
        else f"splits of {bytes_text(cut.split_bytes or 0)} at most ({size})"
    )
    reducers = f"{plural(partitions, 'reducer')} ({count})" if partitions else "no reducer"
    return f"{bytes_text(total_bytes)} of input: {length}, {reducers}"


def _power_of_two(least: int) -> int:
    """Return the smallest power of two that is at least `least`."""
    return 1 << max(0, least - 1).bit_length()
