"""The collector that the compiled part makes possible: the pairs stay bytes from `map` to the reducer.

It combines 64-bit integers for `Sum`, `Count`, `Min` and `Max`, and keeps pairs of any kind for a `reduce` of one's
own. When an aggregation is given what it cannot carry (a float, a sum beyond 64 bits), the Python collector takes over,
with all that has been collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mapreduce import native
from mapreduce.aggregate import Aggregation, Count, Max, Min, Sum
from mapreduce.encoding import encode_key, encode_value, unpack_value
from mapreduce.engine.collect import AggregateCollector, Collector, Combine, Partitioner
from mapreduce.engine.merge import Run, merged_frames
from mapreduce.engine.spills import Merging, Part, Spills
from mapreduce.formats.frames import BlockWriter, PackedPair, RawFrame, columns
from mapreduce.messages import Block
from mapreduce.partition import key_hash
from mapreduce.yielded import pair_of

if TYPE_CHECKING:
    from mapreduce.native.kernel import Collector as Pairs

_COMBINING: dict[type[Aggregation[Any]], tuple[str, str]] = {
    Sum: ("SUM", "SUM"),
    Count: ("COUNT", "SUM"),
    Min: ("LEAST", "LEAST"),
    Max: ("GREATEST", "GREATEST"),
}
"""What the kernel does with a value, and with two states, for the aggregations that it knows."""


def operation(name: str) -> int:
    """The kernel's number of one of its operations."""
    number: int = getattr(native.kernel, name)
    return number


def combines(aggregation: Aggregation[Any]) -> bool:
    """Whether the kernel is here and knows the aggregation (a subclass may do something else)."""
    return native.kernel is not None and type(aggregation) in _COMBINING


def value_operation(aggregation: Aggregation[Any]) -> int:
    """What the kernel does with a value."""
    return operation(_COMBINING[type(aggregation)][0])


def state_operation(aggregation: Aggregation[Any]) -> int:
    """What the kernel does with two states of a key."""
    return operation(_COMBINING[type(aggregation)][1])


class CompiledCollector:
    """Pairs in the kernel's memory.

    Args:
        operation: of the kernel.
        buffer_bytes: memory for pairs; beyond it they are spilled.
        spills: where they go.
        partition: of a key; None: by its hash.
        check: called with each new key, and raises when the key is not to be had; None: nothing to check.
        combine: makes fewer of the pairs that are kept, before they are written.
        otherwise: the collector that takes over when the kernel cannot carry a pair.
    """

    def __init__(
        self,
        operation: int,
        buffer_bytes: int,
        spills: Spills,
        partition: Partitioner | None = None,
        check: Partitioner | None = None,
        combine: Combine | None = None,
        otherwise: Callable[[], AggregateCollector] | None = None,
    ) -> None:
        assert native.kernel is not None, "this collector is the compiled part's"
        self.spills = spills
        self._combine = combine
        self._otherwise = otherwise
        self._instead: Collector | None = None
        self._full, self._refused = native.kernel.FULL, native.kernel.REFUSED
        self._pairs: Pairs = native.kernel.Collector(
            operation=operation,
            partitions=spills.partitions,
            limit=buffer_bytes,
            encode_key=encode_key,
            encode_value=encode_value,
            long_hash=key_hash,
            partition=partition,
            check=check,
        )

    def add(self, pairs: Iterable[Any]) -> None:
        if self._instead is not None:
            self._instead.add(pairs)
            return
        iterator = iter(pairs)
        while refused := self._fed(iterator):
            for at, pair in enumerate(refused):
                key, value = pair_of(pair)
                if type(pair) in (tuple, list) or self._fed(iter([(key, value)])):
                    self._instead = self._taken_over()
                    self._instead.add(chain([(key, value)], refused[at + 1 :], iterator))
                    return

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        if self._instead is not None:
            self._instead.add_columns(keys, values)
            return
        state, at, refused = self._pairs.add_columns(keys, values, 0)
        while state == self._full:
            self._spill()
            state, at, refused = self._pairs.add_columns(keys, values, at)
        if state == self._refused:
            self.add(chain(refused, zip(keys[at:], values[at:], strict=True)))

    def _fed(self, pairs: Iterator[Any]) -> tuple[Any, ...]:
        """Feed the kernel until the pairs end or some are refused, and return those."""
        state, refused = self._pairs.add(pairs)
        while state == self._full:
            self._spill()
            state, refused = self._pairs.add(pairs)
        return refused

    def finish(self, file: BinaryIO) -> list[Block]:
        if self._instead is not None:
            return self._instead.finish(file)
        blocks = self.spills.write(file, self._parts())
        self._pairs.clear()
        return blocks

    def _taken_over(self) -> Collector:
        """The collector that goes on, with all that is here; what was spilled is with the spills."""
        assert self._otherwise is not None, "pairs of any kind are kept"
        instead = self._otherwise()
        self._pairs.sort()
        for number in range(self.spills.partitions):
            for key, state in pairs_of(self._frames(number)):
                instead.take_state(key, unpack_value(state))
        del self._pairs  # and with it the memory, which is the other's now
        return instead

    def _spill(self) -> None:
        self.spills.spill(self._parts())
        self._pairs.clear()

    def _parts(self) -> list[Part]:
        self._pairs.sort()
        return [self._part(number) for number in range(self.spills.partitions)]

    def _part(self, number: int) -> Part:
        def part(writer: BlockWriter) -> None:
            frames = self._frames(number)
            if self._combine:
                writer.write(self._combine(pairs_of(frames)))
            else:
                writer.write_frames(frames)

        return part

    def _frames(self, partition: int) -> Iterator[RawFrame]:
        at = 0
        while frame := self._pairs.frame(partition, at):
            at += frame[1]
            yield frame


def merging_kept(combine: Combine | None) -> Merging:
    """Runs of kept pairs become one."""

    def merging(runs: list[Run], scratch: Path) -> Part:
        def part(writer: BlockWriter) -> None:
            frames = merged_frames(runs, scratch, operation("KEEP"))
            if combine:
                writer.write(combine(pairs_of(frames)))
            else:
                writer.write_frames(frames)

        return part

    return merging


def merging_combined(aggregation: Aggregation[Any], otherwise: Merging) -> Merging:
    """Runs of combined integers become one; in Python where a sum does not fit 64 bits."""

    def merging(runs: list[Run], scratch: Path) -> Part:
        def part(writer: BlockWriter) -> None:
            try:
                writer.write_frames(merged_frames(runs, scratch, state_operation(aggregation)))
            except OverflowError:
                writer.start_over()
                otherwise(runs, scratch)(writer)

        return part

    return merging


def groups_of(frames: Iterable[RawFrame]) -> Iterator[tuple[bytes, list[Any]]]:
    """Keys and their values; a key that has pairs in two frames comes twice."""
    assert native.kernel is not None, "frames are taken apart by the compiled part"
    for frame in frames:
        yield from native.kernel.groups(frame, unpack_value)


def pairs_of(frames: Iterable[RawFrame]) -> Iterator[PackedPair]:
    """The pairs of frames, packed."""
    for frame in map(columns, frames):
        yield from zip(frame.keys, frame.values, strict=True)
