"""Collect a map task's pairs: combine, partition and sort them, and spill when memory is short.

Two collectors share the spilling. `AggregateCollector` keeps one state for each key, for a job
whose `reduce` is an aggregation. `PairCollector` keeps every pair, for a job with a `reduce`
method, and calls the job's `combine`. With the native extension,
`mapreduce.engine.native_collector` replaces both for the values that it supports.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from mapreduce.aggregate import Aggregation, Sum
from mapreduce.encoding import (
    STR_TAG,
    NotCarriable,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
    key_prefix,
    numpys,
    pack_value,
    unpack_value,
)
from mapreduce.engine.merge import SortedRun, merged
from mapreduce.engine.of_states import OfStates
from mapreduce.engine.spills import BlockContent, Merging, Spills
from mapreduce.errors import UserCodeError
from mapreduce.formats.frames import FrameSink, PackedPair
from mapreduce.job import Job
from mapreduce.partition import hash_partition
from mapreduce.user_code.calls import Place, told_as
from mapreduce.user_code.yielded import pair_of, pairs_of
from mapreduce.wire.messages import Block

PAIR_OVERHEAD = 150
"""Bytes of a pair beyond its key and value: tuple, objects and list slots (CPython 3.11)."""

KNOWN_GROUPS = 100_000
"""Groups remembered for a job with `partition` and `group_by`; beyond it the memory is cleared."""

_by_key = itemgetter(0)
_SCALARS = frozenset((int, str, float, bool, type(None), bytes))

Combine = Callable[[Iterable[PackedPair]], Iterator[PackedPair]]
"""Reduces the number of sorted pairs and keeps their order."""

Partitioner = Callable[[bytes], int]
"""The partition of an encoded key."""


class PairTaker(Protocol):
    """Receives a task's pairs."""

    def add(self, pairs: Iterable[Any]) -> None:
        """Take pairs as `map` or `reduce` yields them."""

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        """Take pairs as `map_batch` returns them: two lists of one length."""


class Collector(PairTaker, Protocol):
    """Receives a task's pairs, and sorts them."""

    @property
    def spills(self) -> Spills:
        """The sorted runs on scratch disk; the caller may add runs to them."""

    def finish(self, file: BinaryIO) -> list[Block]:
        """Write one sorted block for each partition."""

    def content(self) -> BlockContent:
        """Return what writes the pairs of the one partition to a sink, in key order."""


class AggregateCollector:
    """One state for each key.

    States of str keys are looked up by the str, all others by the encoded key, because 1, 1.0 and
    True are equal in Python and different keys here.
    """

    def __init__(
        self,
        aggregation: Aggregation[Any],
        partition: Partitioner,
        buffer_bytes: int,
        spills: Spills,
        *,
        check_partitions: bool = False,
    ) -> None:
        self.spills = spills
        self._aggregation = aggregation
        self._check_partitions = check_partitions
        self._partition = partition
        self._buffer_bytes = buffer_bytes
        self._by_text: dict[str, Any] = {}
        self._by_bytes: dict[bytes, Any] = {}
        self._used = 0

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        self.add(zip(keys, values, strict=True))

    def add(self, pairs: Iterable[Any]) -> None:
        if type(self._aggregation) is not Sum:
            self._add(pairs)
            return
        states = self._by_text
        for pair in pairs:
            key, value = pair if type(pair) is tuple and len(pair) == 2 else pair_of(pair)
            # int values of a known str key are by far the most frequent pairs: add them inline,
            # without a call per pair
            if type(value) is int and type(key) is str and type(state := states.get(key)) is int:
                states[key] = state + value
            else:
                self._add(((key, value),))

    def _add(self, pairs: Iterable[Any]) -> None:
        add, create, by_text = self._aggregation.add, self._aggregation.create, self._by_text
        keeps, grows = self._aggregation.keeps_values, self._aggregation.grows
        holds_many = grows and isinstance(self._aggregation, OfStates)
        for pair in pairs:
            key, value = pair if type(pair) is tuple and len(pair) == 2 else pair_of(pair)
            states: dict[Any, Any]
            known: Any
            states, known = (
                (by_text, key) if type(key) is str else (self._by_bytes, encode_key(key))
            )
            if type(value) not in _SCALARS:
                value = numpys.plain_or_same(value)
            kept = _own(value) if keeps and type(value) is not int else value
            size = PAIR_OVERHEAD * (_values_in(kept) if holds_many else 1)
            if known in states:
                states[known] = add(states[known], kept)
                if grows:
                    self._use(size)
            else:
                # encode a new key now, while the record is known, so that an unsupported key is
                # reported with its record and not when the block is written
                encoded = encode_key(key) if states is by_text else known
                # a wrong `partition` is reported with its record, for the same reason
                if self._check_partitions:
                    self._partition(encoded)
                states[known] = create(kept)
                self._use(len(known) + size)

    def take_state(self, key: bytes, state: Any) -> None:
        """Take the state of a key that has no state yet."""
        if key[0] == STR_TAG:
            self._by_text[key[1:].decode()] = state
        else:
            self._by_bytes[key] = state
        self._use(len(key) + PAIR_OVERHEAD)

    def _use(self, size: int) -> None:
        self._used += size
        if self._used > self._buffer_bytes:
            self.spills.spill(self._sorted())

    def finish(self, file: BinaryIO) -> list[Block]:
        return self.spills.write(file, self._sorted())

    def content(self) -> BlockContent:
        return self.spills.content(self._sorted())

    def _sorted(self) -> list[BlockContent]:
        """Return the states by partition, in key order, and empty the collector."""
        # states stay in dicts until here: they are partitioned and sorted once, not for each value
        parts: list[list[PackedPair]] = [[] for _ in range(self.spills.partitions)]
        for text, state in self._by_text.items():
            key = encode_key(text)
            parts[self._partition(key)].append((key, packed_state(self._aggregation, key, state)))
        for key, state in self._by_bytes.items():
            parts[self._partition(key)].append((key, packed_state(self._aggregation, key, state)))
        self._by_text.clear()
        self._by_bytes.clear()
        self._used = 0
        for part in parts:
            part.sort(key=_by_key)
        return [written(part) for part in parts]


class PairCollector:
    """Every pair, in order of arrival.

    Args:
        partition: maps an encoded key to its partition.
        buffer_bytes: memory for pairs.
        spills: receives the pairs beyond that.
        combine: reduces the pairs before they are written.
    """

    def __init__(
        self,
        partition: Partitioner,
        buffer_bytes: int,
        spills: Spills,
        combine: Combine | None = None,
    ) -> None:
        self.spills = spills
        self._partition = partition
        self._buffer_bytes = buffer_bytes
        self._combine = combine
        self._parts: list[list[PackedPair]] = [[] for _ in range(spills.partitions)]
        self._used = 0

    def add_columns(self, keys: list[Any], values: list[Any]) -> None:
        self.add(zip(keys, values, strict=True))

    def add(self, pairs: Iterable[Any]) -> None:
        for pair in pairs:
            key, value = pair if type(pair) is tuple and len(pair) == 2 else pair_of(pair)
            self._put(encode_key(key), pack_value(value))

    def _put(self, key: bytes, value: int | bytes) -> None:
        self._parts[self._partition(key)].append((key, value))
        self._used += PAIR_OVERHEAD + len(key) + (8 if type(value) is int else len(value))  # type: ignore[arg-type]
        if self._used > self._buffer_bytes:
            self.spills.spill(self._sorted())

    def finish(self, file: BinaryIO) -> list[Block]:
        return self.spills.write(file, self._sorted())

    def content(self) -> BlockContent:
        return self.spills.content(self._sorted())

    def _sorted(self) -> list[BlockContent]:
        parts, self._parts = self._parts, [[] for _ in range(self.spills.partitions)]
        self._used = 0
        for part in parts:
            # stable, so the values of one key stay in input order; the sort compares keys alone
            part.sort(key=_by_key)
        return [written(part, self._combine) for part in parts]


def written(pairs: Iterable[PackedPair], combine: Combine | None = None) -> BlockContent:
    """Return sorted pairs as the content of one block of a run."""
    return lambda writer: writer.write(combine(pairs) if combine else pairs)


def merging_pairs(combine: Combine | None = None) -> Merging:
    """Return the merge of runs in Python."""

    def merging(runs: list[SortedRun], scratch: Path) -> BlockContent:
        def part(writer: FrameSink) -> None:
            if runs:
                written(merged(runs, scratch), combine)(writer)

        return part

    return merging


def merged_states(
    aggregation: Aggregation[Any], pairs: Iterable[PackedPair]
) -> Iterator[tuple[bytes, Any]]:
    """Yield one (key, state) for each key of sorted pairs whose values are packed states.

    Raises:
        UserCodeError: two states do not merge; the message names the key.
    """
    merge = aggregation.merge
    for key, group in groupby(pairs, _by_key):
        states = (unpack_value(packed) for _, packed in group)
        state: Any = next(states)
        for other in states:
            try:
                state = merge(state, other)
            except Exception as exc:  # noqa: BLE001 - the author's class may raise anything
                raise_of_key(exc, f"{type(aggregation).__name__}.merge", key)
        yield key, state


def packed_result(aggregation: Aggregation[Any], key: bytes, state: Any) -> int | bytes:
    """Return the packed result of a key's state.

    Raises:
        UserCodeError: the result is an unsupported value; the message names the key.
    """
    try:
        return pack_value(aggregation.result(state))
    except Exception as exc:  # noqa: BLE001 - the author's class may raise anything
        raise_of_key(exc, f"{type(aggregation).__name__}.result", key)


def packed_state(aggregation: Aggregation[Any], key: bytes, state: Any) -> int | bytes:
    """Pack a state.

    Raises:
        UserCodeError: the state holds an unsupported value; the message names the key.
    """
    try:
        return pack_value(state)
    except NotCarriable as exc:
        raise_of_key(exc, f"the state of {type(aggregation).__name__}", key)


def raise_of_key(exc: BaseException, step: str, key: bytes) -> NoReturn:
    """Raise an exception of the job's code as a `UserCodeError` that names the encoded key."""
    told = told_as(exc, Place(step, decode_key(key)))
    if told is exc:
        raise exc
    raise told from exc


def merging_states(aggregation: Aggregation[Any]) -> Combine:
    """Return a combine that merges the states of each key."""
    return lambda pairs: (
        (key, packed_state(aggregation, key, state))
        for key, state in merged_states(aggregation, pairs)
    )


def combining(job: Job) -> Combine | None:
    """Return the job's `combine` over packed pairs, or None."""
    return partial(_combined, job) if job.combines else None


def _combined(job: Job, pairs: Iterable[PackedPair]) -> Iterator[PackedPair]:
    for encoded, group in groupby(pairs, _by_key):
        try:
            yielded = job.combine(
                decode_key(encoded), (unpack_value(packed) for _, packed in group)
            )
            for pair in pairs_of(yielded):
                key, value = pair_of(pair)
                # another key would break the order of the sorted run and land in a wrong partition
                if encode_key(key) != encoded:
                    raise UserCodeError(
                        f"combine yielded the key {key!r} for the group {decode_key(encoded)!r}; "
                        "yield the same key"
                    )
                packed = pack_value(value)
                yield encoded, packed
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - the author's code may raise anything
            raise_of_key(exc, "combine", encoded)


def partitioner(
    job: Job, partitions: int, boundaries: Sequence[bytes] | None
) -> Partitioner | None:
    """Return the partition function of a job, or None for the hash of the key.

    Args:
        job: the job's instance.
        partitions: the number of partitions.
        boundaries: encoded keys that separate the partitions, if these are key ranges.
    """
    if boundaries is not None:
        return partial(bisect_right, boundaries)
    if job.partitions_itself:
        own = partial(own_partition, job, partitions)
        return _of_whole_groups(own, job.group_by) if job.group_by else own
    if fields := job.group_by:
        return lambda key: hash_partition(key_prefix(key, fields), partitions)
    return None


def _of_whole_groups(partition: Partitioner, fields: int) -> Partitioner:
    """Wrap a job's `partition` to check that all keys of a group go to one partition.

    The check covers only the keys of this task.
    """
    known: dict[bytes, int] = {}

    def checked(key: bytes) -> int:
        number = partition(key)
        group = key_prefix(key, fields)
        if known.setdefault(group, number) != number:
            raise UserCodeError(
                f"partition returned {known[group]} and {number} for two keys of the group "
                f"{decode_key(group)!r}; with `group_by = {fields}` it must depend on the first "
                f"{fields} of the key's fields alone"
            )
        if len(known) >= KNOWN_GROUPS:  # bounds the memory; a later conflict is still likely found
            known.clear()
        return number

    return checked


def by_hash(partitions: int) -> Partitioner:
    """Return a function that maps an encoded key to a partition by its hash."""
    return (lambda key: hash_partition(key, partitions)) if partitions > 1 else (lambda _: 0)


def own_partition(job: Job, partitions: int, encoded: bytes) -> int:
    """Return the partition of an encoded key by the job's `partition`.

    Raises:
        UserCodeError: `partition` raised, or returned no valid partition.
    """
    key = decode_key(encoded)
    try:
        number = job.partition(key, partitions)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - the author's code may raise anything
        raise_of_key(exc, "partition", encoded)
    if type(number) is not int or not 0 <= number < partitions:
        raise UserCodeError(
            f"partition returned {number!r} for the key {key!r}; "
            f"it must be an int from 0 to {partitions - 1}"
        )
    return number


def check_placement(job: Job, key: bytes, index: int, partitions: int) -> None:
    """Check that the job's `partition` sends a key to the partition that received it.

    If it does not, another part holds the rest of the key's values, or will after the next run.

    Raises:
        UserCodeError: `partition` names another partition.
    """
    number = own_partition(job, partitions, key)
    if number != index:
        raise UserCodeError(
            f"the key {decode_key(key)!r} was sent to partition {index}, but `partition` now "
            f"returns {number}; it must depend on the key alone, not on hash(), which for str and "
            "bytes differs from process to process: use zlib.crc32(key.encode()) % partitions",
            record=repr(decode_key(key))[:200],
        )


def check_joined(partition: Partitioner, keys: Iterable[bytes], index: int) -> None:
    """Check that all keys of an earlier step's part belong to the same partition of this step.

    Raises:
        UserCodeError: a key does not.
    """
    for key in keys:
        if (number := partition(key)) != index:
            raise UserCodeError(
                f"the joined part {index} holds the key {decode_key(key)!r}, which belongs to part "
                f"{number}: a step can join one whose `reduce` yields only keys that it got, with "
                "the same `partition` and `group_by`; else let a step between them pass the pairs "
                "on, with a job that has only `reduce = identity`",
                record=repr(decode_key(key))[:200],
            )


def kept_value(aggregation: Aggregation[Any], value: Any) -> Any:
    """Return a value as `AggregateCollector` gives it to an aggregation.

    Raises:
        NotCarriable: the state would hold the value, and no record supports it.
    """
    if type(value) not in _SCALARS:
        value = numpys.plain_or_same(value)
    return _own(value) if aggregation.keeps_values and type(value) is not int else value


def _values_in(state: Any) -> int:
    """Return how many values a state holds, about."""
    if type(state) is not list:
        return 1
    return len(state) + sum(_values_in(each) for each in state if type(each) is list)


def _own(value: Any) -> Any:
    """Return an encodable value; of one that the author may still change, a copy."""
    encoded = encode_value(value)
    return value if type(value) in _SCALARS else decode_value(encoded)
