"""The collector over the native extension: pairs stay bytes from `map` to the reduce task.

It combines 64-bit integers for `Sum`, `Count`, `Min` and `Max`, and keeps any pairs for a `reduce`
method. When an aggregation meets a value that the extension does not support (a float, a sum beyond
64 bits), the Python collector takes over, with all states collected so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mapreduce import native
from mapreduce.aggregate import Aggregation, Count, Max, Min, Sum
from mapreduce.aggregations.ranks import First
from mapreduce.columns.buffers import PackedColumns
from mapreduce.encoding import encode_key, encode_value, unpack_value
from mapreduce.engine.collect import AggregateCollector, Collector, Combine, Partitioner
from mapreduce.engine.merge import SortedRun, merged_frames
from mapreduce.engine.spills import BlockContent, Merging, Spills
from mapreduce.formats.frames import FrameSink, PackedPair, RawFrame, columns
from mapreduce.job import Job
from mapreduce.partition import key_hash
from mapreduce.reducers import identity
from mapreduce.user_code.yielded import pair_of
from mapreduce.wire.messages import Block

if TYPE_CHECKING:
    from mapreduce.formats.packed_rows import Buffers
    from mapreduce.native.extension import Collector as Pairs
    from mapreduce.native.extension import HeldRows

_COMBINING: dict[type[Aggregation[Any]], tuple[str, str]] = {
    Sum: ("SUM", "SUM"),
    Count: ("COUNT", "SUM"),
    Min: ("LEAST", "LEAST"),
    Max: ("GREATEST", "GREATEST"),
}
"""The extension's operation on a value, and on two states, for each supported aggregation."""


def operation(name: str) -> int:
    """Return the extension's number of an operation."""
    number: int = getattr(native.extension, name)
    return number


def combines(aggregation: Aggregation[Any]) -> bool:
    """Return whether the extension is present and supports the aggregation (no subclass of it)."""
    return native.extension is not None and type(aggregation) in _COMBINING


def value_operation(aggregation: Aggregation[Any]) -> int:
    """Return the extension's operation on a value."""
    return operation(_COMBINING[type(aggregation)][0])


def state_operation(aggregation: Aggregation[Any]) -> int:
    """Return the extension's operation on two states of a key."""
    return operation(_COMBINING[type(aggregation)][1])


def pair_operation(job: Job) -> int | None:
    """Return the extension's operation on pairs that is the job's `reduce`; None if none is.

    `First` keeps a pair of each key, and `identity` every pair; neither looks into a value.
    """
    if native.extension is None:
        return None
    if keeps_first(job.aggregation):
        return operation("FIRST")
    cls: Any = type(job)
    hooks = cls.reduce_setup is Job.reduce_setup and cls.reduce_cleanup is Job.reduce_cleanup
    if cls.reduce is identity and hooks and not job.group_by and not job.keep_order:
        return operation("KEEP")
    return None


def keeps_first(aggregation: Aggregation[Any] | None) -> bool:
    """Return whether an aggregation keeps the first pair of each key (`First`, no subclass)."""
    return native.extension is not None and type(aggregation) is First


FrameCombine = Callable[[Iterable[RawFrame], FrameSink], None]
"""Writes fewer pairs for the same keys; takes and writes them in key order."""


def combining_pairs(combine: Combine) -> FrameCombine:
    """Return a combine in Python as one of frames."""
    return lambda frames, writer: writer.write(combine(pairs_of(frames)))


def first_pairs(frames: Iterable[RawFrame], writer: FrameSink) -> None:
    """Write the first pair of each key."""
    assert native.extension is not None, "merging frames needs the native extension"
    writer.write_frames(native.extension.Merge([iter(frames)], operation("FIRST")))


class NativeCollector:
    """A collector that keeps its pairs in the native extension's memory.

    Args:
        operation: the extension's operation on values.
        buffer_bytes: memory for pairs; beyond it they are spilled.
        spills: receives the spilled pairs.
        partition: maps an encoded key to its partition; None: by hash.
        check: called with each new key, raises if the key is invalid; None: no check.
        combine: reduces kept pairs before they are written.
        otherwise: makes the collector that takes over when a pair is not supported.
    """

    def __init__(
        self,
        operation: int,
        buffer_bytes: int,
        spills: Spills,
        partition: Partitioner | None = None,
        check: Partitioner | None = None,
        combine: FrameCombine | None = None,
        otherwise: Callable[[], AggregateCollector] | None = None,
    ) -> None:
        assert native.extension is not None, "this collector needs the native extension"
        self.spills = spills
        self._combine = combine
        self._otherwise = otherwise
        self._instead: Collector | None = None
        self._full, self._refused = native.extension.FULL, native.extension.REFUSED
        self._pairs: Pairs = native.extension.Collector(
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
        if isinstance(pairs, PackedColumns):
            self.add_packed(pairs)
            return
        iterator = iter(pairs)
        # the extension takes pairs until one does not suit it; those that it has pulled from the
        # iterator and not taken come back, and the rest is still in the iterator
        while refused := self._fed(iterator):
            for at, pair in enumerate(refused):
                # a pair in another form (a subclass of tuple) is refused only for its form: retry
                # it as a tuple
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

    def add_packed(self, columns: PackedColumns) -> None:
        """Take keys and integers that lie in buffers, as `add_columns` takes lists."""
        if self._instead is not None:
            self._instead.add_columns(*columns.lists())
            return
        ends, texts, values = columns.ends, columns.keys, columns.values
        state, at, refused = self._pairs.add_packed(ends, texts, values, 0)
        while state == self._full:
            self._spill()
            state, at, refused = self._pairs.add_packed(ends, texts, values, at)
        if state == self._refused:
            self.add(chain(refused, zip(*columns.lists(at), strict=True)))

    def add_joined(
        self,
        held: HeldRows,
        columns: tuple[Buffers, ...],
        rows: int,
        on: int,
        how: int,
        *,
        swapped: bool,
    ) -> bool:
        """Take the pairs of rows with held ones; False, and none taken, where Python must.

        The arguments are those of the extension's `HeldRows.join`.
        """
        state, at, following = self._full, 0, 0
        while state == self._full:
            found = held.join(self._pairs, columns, rows, on, how, swapped, at, following)
            if found is None:
                return False
            state, at, following = found
            if state == self._full:
                self._spill()
        return True

    def _fed(self, pairs: Iterator[Any]) -> tuple[Any, ...]:
        """Feed the extension until the pairs end, or until it refuses some, and return those."""
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

    def content(self) -> BlockContent:
        if self._instead is not None:
            return self._instead.content()
        return self.spills.content(self._parts())

    def _taken_over(self) -> Collector:
        """Return the collector that takes over, with all states of this one; spilled runs stay."""
        assert self._otherwise is not None, "pairs of any kind are kept"
        instead = self._otherwise()
        self._pairs.sort()
        for number in range(self.spills.partitions):
            # only the states in memory move: spilled runs have the same format for both collectors
            for key, state in pairs_of(self._frames(number)):
                instead.take_state(key, unpack_value(state))
        del self._pairs  # and with it the memory, which is the other's now
        return instead

    def _spill(self) -> None:
        self.spills.spill(self._parts())
        self._pairs.clear()

    def _parts(self) -> list[BlockContent]:
        self._pairs.sort()
        return [self._part(number) for number in range(self.spills.partitions)]

    def _part(self, number: int) -> BlockContent:
        return lambda writer: _write(self._frames(number), writer, self._combine)

    def _frames(self, partition: int) -> Iterator[RawFrame]:
        at = 0
        while frame := self._pairs.frame(partition, at):
            at += frame[1]
            yield frame


def merging_kept(combine: FrameCombine | None) -> Merging:
    """Return the merge of runs of kept pairs."""

    def merging(runs: list[SortedRun], scratch: Path) -> BlockContent:
        def part(writer: FrameSink) -> None:
            _write(merged_frames(runs, scratch, operation("KEEP")), writer, combine)

        return part

    return merging


def _write(frames: Iterable[RawFrame], writer: FrameSink, combine: FrameCombine | None) -> None:
    if combine:
        combine(frames, writer)
    else:
        writer.write_frames(frames)


def merging_combined(aggregation: Aggregation[Any], otherwise: Merging) -> Merging:
    """Return the merge of runs of combined integers; `otherwise` merges sums beyond 64 bits."""

    def merging(runs: list[SortedRun], scratch: Path) -> BlockContent:
        def part(writer: FrameSink) -> None:
            try:
                writer.write_frames(merged_frames(runs, scratch, state_operation(aggregation)))
            # the sums of earlier frames are already written: discard them, and merge again in
            # Python
            except OverflowError:
                writer.start_over()
                otherwise(runs, scratch)(writer)

        return part

    return merging


def groups_of(frames: Iterable[RawFrame]) -> Iterator[tuple[bytes, list[Any]]]:
    """Yield keys and their values; a key with pairs in two frames comes twice."""
    assert native.extension is not None, "grouping frames needs the native extension"
    for frame in frames:
        yield from native.extension.groups(frame, unpack_value)


def pairs_of(frames: Iterable[RawFrame]) -> Iterator[PackedPair]:
    """Yield the pairs of frames, packed."""
    for frame in map(columns, frames):
        yield from zip(frame.keys, frame.values, strict=True)
