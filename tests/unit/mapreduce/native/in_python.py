"""What the tests of the native extension share: pairs and frames, as Python makes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import encode_key, encode_value
from mapreduce.formats.frames import (
    BlockReader,
    BlockWriter,
    PackedPair,
    RawFrame,
    columns,
)
from mapreduce.partition import key_hash
from tests.unit.mapreduce.any_keys import keys

extension: Any = native.extension

near = st.text("ab\x00é", max_size=20)
many_keys = st.one_of(
    keys, near, near.map(str.encode), st.integers(0, 20).map(lambda number: "k" * number)
)
integers = st.one_of(st.integers(-5, 5), st.integers(-(1 << 63), (1 << 63) - 1))
OPERATIONS: list[tuple[str, Callable[[int, int], int]]] = [
    ("SUM", lambda state, value: state + value),
    ("COUNT", lambda state, _: state + 1),
    ("LEAST", min),
    ("GREATEST", max),
]


def collector(
    operation: str,
    partitions: int = 1,
    limit: int = 1 << 30,
    check: Any = None,
    partition: Any = None,
) -> Any:
    """Return a collector of the extension."""
    number = getattr(extension, operation)
    return extension.Collector(
        number, partitions, limit, encode_key, encode_value, key_hash, partition, check
    )


def frames_of(given: Any, partition: int = 0) -> Iterator[RawFrame]:
    """Return all frames of one partition."""
    at = 0
    while frame := given.frame(partition, at):
        at += frame[1]
        yield frame


def packed(given: Any, partition: int = 0) -> list[PackedPair]:
    """Return all pairs of one partition."""
    found = map(columns, frames_of(given, partition))
    return [pair for frame in found for pair in zip(frame.keys, frame.values, strict=True)]


def raw(pairs: list[PackedPair], frame_pairs: int = 3) -> Iterator[RawFrame]:
    """Return pairs in small frames, as Python writes them."""
    for at in range(0, len(pairs), frame_pairs):
        file = io.BytesIO()
        writer = BlockWriter(file)
        writer.write(pairs[at : at + frame_pairs])
        yield from BlockReader(
            io.BytesIO(file.getvalue()), writer.length, "memory", ordered=False
        ).raw_frames()
