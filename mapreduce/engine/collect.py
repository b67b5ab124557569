"""What a map task keeps of the pairs it is given: combined, partitioned, sorted, and spilled when memory is short.

Two collectors share the spilling. `AggregateCollector` keeps one state a key, for a job whose `reduce` is an
aggregation; `PairCollector` keeps every pair, for a job with a `reduce` of its own, and runs its `combine`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from mapreduce.aggregate import Aggregation
from mapreduce.encoding import decode_key, decode_value, encode_key, encode_value, key_prefix, pack_value, unpack_value
from mapreduce.engine.merge import merged, run_of_file, write_block
from mapreduce.errors import UserCodeError
from mapreduce.formats.frames import PackedPair
from mapreduce.job import Job
from mapreduce.messages import Block
from mapreduce.partition import hash_partition

PAIR_OVERHEAD = 150
"""Bytes that Python needs for a pair beyond its key and value: tuple, objects and list slots (CPython 3.11)."""

_by_key = itemgetter(0)
_SCALARS = frozenset((int, str, float, bool, type(None), bytes))

Combine = Callable[[Iterator[PackedPair]], Iterator[PackedPair]]
"""Makes fewer pairs of sorted ones, and keeps their order."""


Add = Callable[[Iterable[Any]], None]
"""Takes what one call of `map` yielded."""


class Collector(Protocol):
    """Where a map task's pairs go."""

    def add(self, pairs: Iterable[Any]) -> None:
        """Takes what one call of `map` yielded."""

    def finish(self, file: BinaryIO) -> list[Block]:
        """Writes one sorted block for each partition."""


def collector_for(
    job: Job, partitions: int, buffer_bytes: int, scratch: Path, boundaries: Sequence[bytes] | None = None
) -> Collector:
    """The collector that a job needs.

    Args:
        job: the job's instance.
        partitions: how many blocks there will be.
        buffer_bytes: memory for pairs; beyond it they are spilled to `scratch`.
        scratch: a folder of this task's own.
        boundaries: where the ranges of keys meet that the partitions are to be.
    """
    partition = _by_range(boundaries) if boundaries is not None else _partitioner(job, partitions)
    if job.aggregation is not None:
        spills = Spills(partitions, scratch, _merging(job.aggregation))
        return AggregateCollector(
            job.aggregation, partition, buffer_bytes, spills, check_partitions=job.partitions_itself
        )
    spills = Spills(partitions, scratch, _combining(job) if job.combines else None)
    return PairCollector(partition, buffer_bytes, spills)


class AggregateCollector:
    """One state for each key; str keys are looked up as they are, others by their bytes (1, 1.0 and True differ)."""

    def __init__(
        self,
        aggregation: Aggregation[Any],
        partition: Callable[[bytes], int],
        buffer_bytes: int,
        spills: Spills,
        *,
        check_partitions: bool = False,
    ) -> None:
        self._aggregation = aggregation
        self._check_partitions = check_partitions
        self._partition = partition
        self._buffer_bytes = buffer_bytes
        self._spills = spills
        self._by_text: dict[str, Any] = {}
        self._by_bytes: dict[bytes, Any] = {}
        self._used = 0

    def add(self, pairs: Iterable[Any]) -> None:
        add, create, by_text = self._aggregation.add, self._aggregation.create, self._by_text
        keeps, grows = self._aggregation.keeps_values, self._aggregation.grows
        for key, value in pairs:
            states: dict[Any, Any]
            known: Any
            states, known = (by_text, key) if type(key) is str else (self._by_bytes, encode_key(key))
            kept = _own(value) if keeps else value
            if known in states:
                states[known] = add(states[known], kept)
                if grows:
                    self._use(PAIR_OVERHEAD)
            else:
                # refused here, while the record is known, and not when it is written
                encoded = encode_key(key) if states is by_text else known
                if self._check_partitions:
                    self._partition(encoded)
                states[known] = create(kept)
                self._use(len(known) + PAIR_OVERHEAD)

    def _use(self, size: int) -> None:
        self._used += size
        if self._used > self._buffer_bytes:
            self._spills.spill(self._sorted())

    def finish(self, file: BinaryIO) -> list[Block]:
        return self._spills.write(file, self._sorted())

    def _sorted(self) -> list[list[PackedPair]]:
        """The states by partition, in key order; the collector is empty afterwards."""
        parts: list[list[PackedPair]] = [[] for _ in range(self._spills.partitions)]
        for text, state in self._by_text.items():
            key = encode_key(text)
            parts[self._partition(key)].append((key, pack_value(state)))
        for key, state in self._by_bytes.items():
            parts[self._partition(key)].append((key, pack_value(state)))
        for part in parts:
            part.sort(key=_by_key)
        self._by_text.clear()
        self._by_bytes.clear()
        self._used = 0
        return parts


class PairCollector:
    """Every pair, in the order in which it came."""

    def __init__(self, partition: Callable[[bytes], int], buffer_bytes: int, spills: Spills) -> None:
        self._partition = partition
        self._buffer_bytes = buffer_bytes
        self._spills = spills
        self._parts: list[list[PackedPair]] = [[] for _ in range(spills.partitions)]
        self._used = 0

    def add(self, pairs: Iterable[Any]) -> None:
        for key, value in pairs:
            self.put(encode_key(key), pack_value(value))

    def put(self, key: bytes, value: int | bytes) -> None:
        """Takes one pair as a frame holds it."""
        self._parts[self._partition(key)].append((key, value))
        self._used += PAIR_OVERHEAD + len(key) + (8 if type(value) is int else len(value))  # type: ignore[arg-type]
        if self._used > self._buffer_bytes:
            self._spills.spill(self._sorted())

    def finish(self, file: BinaryIO) -> list[Block]:
        return self._spills.write(file, self._sorted())

    def _sorted(self) -> list[list[PackedPair]]:
        parts, self._parts = self._parts, [[] for _ in range(self._spills.partitions)]
        self._used = 0
        for part in parts:
            part.sort(key=_by_key)  # stable: pairs of one key stay in the order of the input
        return parts


@dataclass(slots=True)
class _Spilled:
    path: Path
    blocks: list[Block]


class Spills:
    """Sorted runs on scratch disk, and the map attempt's object that they are merged into."""

    def __init__(self, partitions: int, scratch: Path, combine: Combine | None) -> None:
        self.partitions = partitions
        self._scratch = scratch
        self._combine = combine
        self._runs: list[_Spilled] = []

    def spill(self, parts: list[list[PackedPair]]) -> None:
        """Writes sorted pairs, one list a partition, as one more run."""
        path = self._scratch / f"spill-{len(self._runs)}"
        with path.open("wb") as file:
            self._runs.append(_Spilled(path, self._blocks(file, [self._combined(iter(part)) for part in parts])))

    def write(self, file: BinaryIO, parts: list[list[PackedPair]]) -> list[Block]:
        """Writes the object: the last pairs, merged with all runs if there are any."""
        if not self._runs:
            return self._blocks(file, [self._combined(iter(part)) for part in parts])
        self.spill(parts)
        return self._blocks(file, [self._combined(self._merged(number)) for number in range(self.partitions)])

    def _merged(self, partition: int) -> Iterator[PackedPair]:
        runs = [
            run_of_file(run.path, block.offset, block.length, run.path.name)
            for run in self._runs
            if (block := run.blocks[partition]).records
        ]
        return merged(runs, self._scratch) if runs else iter(())

    def _combined(self, pairs: Iterator[PackedPair]) -> Iterator[PackedPair]:
        return self._combine(pairs) if self._combine else pairs

    @staticmethod
    def _blocks(file: BinaryIO, parts: Iterable[Iterator[PackedPair]]) -> list[Block]:
        blocks: list[Block] = []
        offset = 0
        for part in parts:
            written = write_block(file, part)
            blocks.append(
                Block(
                    offset=offset,
                    length=written.length,
                    records=written.records,
                    checksum=written.checksum,
                    integers=written.integers,
                )
            )
            offset += written.length
        return blocks


def merged_states(aggregation: Aggregation[Any], pairs: Iterator[PackedPair]) -> Iterator[tuple[bytes, Any]]:
    """One (key, state) for each key of sorted pairs whose values are packed states."""
    merge = aggregation.merge
    for key, group in groupby(pairs, _by_key):
        states = (unpack_value(packed) for _, packed in group)
        state: Any = next(states)
        for other in states:
            state = merge(state, other)
        yield key, state


def _merging(aggregation: Aggregation[Any]) -> Combine:
    return lambda pairs: ((key, pack_value(state)) for key, state in merged_states(aggregation, pairs))


def _combining(job: Job) -> Combine:
    def combined(pairs: Iterator[PackedPair]) -> Iterator[PackedPair]:
        for encoded, group in groupby(pairs, _by_key):
            for key, value in job.combine(decode_key(encoded), (unpack_value(packed) for _, packed in group)):
                if encode_key(key) != encoded:
                    raise UserCodeError(
                        f"combine yielded the key {key!r} for the group {decode_key(encoded)!r}; it must keep its key"
                    )
                yield encoded, pack_value(value)

    return combined


def _by_range(boundaries: Sequence[bytes]) -> Callable[[bytes], int]:
    return lambda key: bisect_right(boundaries, key)


def _partitioner(job: Job, partitions: int) -> Callable[[bytes], int]:
    if not job.partitions_itself:
        if fields := job.group_by:
            return lambda key: hash_partition(key_prefix(key, fields), partitions)
        return lambda key: hash_partition(key, partitions)

    def own(encoded: bytes) -> int:
        key = decode_key(encoded)
        number = job.partition(key, partitions)
        if type(number) is not int or not 0 <= number < partitions:
            raise UserCodeError(
                f"partition gave {number!r} for the key {key!r}; it must be an int from 0 to {partitions - 1}"
            )
        return number

    return own


def _own(value: Any) -> Any:
    """A value that a record can carry; of one that the author may go on changing, a copy."""
    if type(value) is int:
        return value
    encoded = encode_value(value)
    return value if type(value) in _SCALARS else decode_value(encoded)
