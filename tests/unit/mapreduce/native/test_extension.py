"""The native extension equals plain Python: hashes, order, sums and bytes."""

from __future__ import annotations

import datetime
import functools
import io
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from typing import Any, Literal

import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import decode_key, encode_key, encode_value, pack_value, unpack_value
from mapreduce.encoding.refusals import NotCarriable
from mapreduce.engine.top_pairs import weight
from mapreduce.formats.frames import (
    FRAME_PAIRS,
    BlockReader,
    BlockWriter,
    PackedPair,
    RawFrame,
    columns,
)
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.formats.output import JsonLayout, layout_of
from mapreduce.partition import hash_partition, key_hash
from tests.unit.mapreduce.any_keys import keys, values

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)
extension: Any = native.extension

near = st.text("ab\x00é", max_size=20)
many_keys = st.one_of(
    keys, near, near.map(str.encode), st.integers(0, 20).map(lambda number: "k" * number)
)
integers = st.one_of(st.integers(-5, 5), st.integers(-(1 << 63), (1 << 63) - 1))
STYLES: tuple[Literal["json"], Literal["jsonl"]] = ("json", "jsonl")
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


@given(st.binary(min_size=1, max_size=16))
def test_short_hash(data: bytes) -> None:
    """The hash of short keys is xxh3_64, because partitions must equal those of Python."""
    assert xxhash.xxh3_64_intdigest(data) == extension.short_hash(data)


@given(st.binary(max_size=2000))
@example(b"\n" * 1000)
def test_line_feeds(data: bytes) -> None:
    """Line feeds are counted as by `bytes.count`."""
    assert data.count(b"\n") == extension.line_feeds(data)


@settings(max_examples=150)
@example(pairs=[("a", (1 << 63) - 1), ("a", 1), ("b", 2)], partitions=2)
@example(pairs=[("a" * 20, -(1 << 63)), ("b", 2), ("a" * 20, -1), ("b", 3)], partitions=1)
@given(pairs=st.lists(st.tuples(many_keys, integers), max_size=60), partitions=st.integers(1, 4))
@pytest.mark.parametrize(("name", "fold"), OPERATIONS)
def test_combining(
    name: str, fold: Callable[[int, int], int], pairs: list[tuple[Any, int]], partitions: int
) -> None:
    """A combining collector has one value a key, in key order, in the hash's partition, without
    overflow.
    """
    expected: dict[bytes, int] = {}
    for key, value in pairs:
        encoded = encode_key(key)
        first = 1 if name == "COUNT" else value
        expected[encoded] = fold(expected[encoded], value) if encoded in expected else first
    given_pairs, rest = collector(name, partitions), iter(pairs)
    state, refused = given_pairs.add(rest)
    given_pairs.sort()
    if state == extension.REFUSED:
        assert name == "SUM"
        # the first pair's sum did not fit where it was to be added: a sum that fits is never
        # refused
        (key, value), states = (
            refused[0],
            dict(pair for number in range(partitions) for pair in packed(given_pairs, number)),
        )
        assert not -(1 << 63) <= states[encode_key(key)] + value < 1 << 63
        for key, value in chain(refused, rest):
            states[encode_key(key)] = states.get(encode_key(key), 0) + value
        assert expected == states
        return
    assert (extension.ENDED, ()) == (state, refused)
    assert len(expected) == len(given_pairs)
    for number in range(partitions):
        mine = {
            key: value
            for key, value in expected.items()
            if hash_partition(key, partitions) == number
        }
        assert sorted(mine.items()) == packed(given_pairs, number)


@settings(max_examples=150)
@given(pairs=st.lists(st.tuples(many_keys, values), max_size=80), partitions=st.integers(1, 3))
def test_keeping(pairs: list[tuple[Any, Any]], partitions: int) -> None:
    """A keeping collector has every pair in key order, and in order of arrival within a key."""
    given_pairs = collector("KEEP", partitions)
    assert (extension.ENDED, ()) == given_pairs.add(iter(pairs))
    given_pairs.sort()
    for number in range(partitions):
        mine = [(encode_key(key), value) for key, value in pairs]
        expected = sorted(
            (pair for pair in mine if hash_partition(pair[0], partitions) == number),
            key=lambda p: p[0],
        )
        assert expected == [
            (key, unpack_value(value)) for key, value in packed(given_pairs, number)
        ]


@settings(max_examples=60)
@given(
    stems=st.lists(st.text("ab\x00", max_size=18), min_size=1, max_size=12),
    picks=st.lists(st.integers(0, 11), min_size=49, max_size=400),
)
def test_many_keys_with_much_in_common(stems: list[str], picks: list[int]) -> None:
    """Keys that share eight bytes or more are sorted, and equal keys stay in order."""
    pairs = [
        ("common prefix" + stems[pick % len(stems)], place) for place, pick in enumerate(picks)
    ]
    given_pairs = collector("KEEP")
    given_pairs.add(iter(pairs))
    given_pairs.sort()
    assert sorted(pairs, key=lambda pair: encode_key(pair[0])) == [
        (decode_key(key), value) for key, value in packed(given_pairs)
    ]


@pytest.mark.parametrize("operation", ["SUM", "KEEP"])
@pytest.mark.parametrize("calls", [1, 7])
def test_many_pairs(operation: str, calls: int) -> None:
    """The memory grows, and more pairs than a frame holds are in order."""
    pairs = [(f"key {number * 7919 % 9001}" * (1 + number % 3), number) for number in range(20011)]
    given_pairs = collector(operation)
    for call in range(calls):
        assert (extension.ENDED, ()) == given_pairs.add(iter(pairs[call::calls]))
    given_pairs.sort()
    arrived = [pair for call in range(calls) for pair in pairs[call::calls]]
    if operation == "KEEP":
        expected = sorted(
            ((encode_key(key), value) for key, value in arrived), key=lambda pair: pair[0]
        )
    else:
        sums: Counter[bytes] = Counter()
        for key, value in pairs:
            sums[encode_key(key)] += value
        expected = sorted(sums.items())
    assert expected == packed(given_pairs)
    given_pairs.clear()
    assert len(given_pairs) == 0


def test_memory_is_used_again() -> None:
    """A collector in the memory of a freed one is empty."""
    for round_ in range(3):
        given_pairs = collector("SUM", limit=(1 << 22) if round_ == 2 else (1 << 30))
        expected = Counter({f"{round_} {number * 7919}": number for number in range(1, 150_000)})
        found: Counter[str] = Counter()
        iterator = iter(expected.items())
        state = extension.FULL
        while state == extension.FULL:
            state, _ = given_pairs.add(iterator)
            given_pairs.sort()
            found.update({str(decode_key(key)): int(value) for key, value in packed(given_pairs)})
            assert (len(given_pairs) < 120_000) is (round_ == 2)
            given_pairs.clear()
        assert expected == found


def test_where_addresses_are_few() -> None:
    """A process with a small address limit gets a smaller table, which is full earlier."""
    script = (
        "import resource\n"
        "from mapreduce import native\n"
        "from mapreduce.encoding import encode_key, encode_value\n"
        "from mapreduce.partition import key_hash\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)\n"
        "extension = native.extension\n"
        "pairs = extension.Collector(\n"
        "    extension.SUM, 1, 1 << 40, encode_key, encode_value, key_hash, None, None\n)\n"
        "numbers, seen = iter([(str(number), 1) for number in range(100_000)]), 0\n"
        "while pairs.add(numbers) == (extension.FULL, ()):\n"
        "    seen += len(pairs)\n"
        "    pairs.clear()\n"
        "print(seen + len(pairs))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ("100000\n", "") == (done.stdout, done.stderr)


def test_a_frame_from_beyond_the_partition() -> None:
    """A place beyond the last pair has no frame."""
    given_pairs = collector("SUM", partitions=2)
    given_pairs.add(iter([(str(number), 1) for number in range(100)]))
    given_pairs.sort()
    for at in (100, 1 << 32, (1 << 64) - 1):
        assert given_pairs.frame(1, at) is None
    with pytest.raises(OverflowError):
        given_pairs.frame(1, -1)


def test_keys_with_long_common_prefixes_need_no_deep_stack() -> None:
    """Keys that each extend the last one by eight bytes are sorted on a stack of 256 KiB."""
    script = (
        "import random, threading\n"
        "from mapreduce import native\n"
        "from mapreduce.encoding import encode_key, encode_value\n"
        "from mapreduce.partition import key_hash\n"
        "extension = native.extension\n"
        "pairs = extension.Collector(\n"
        "    extension.KEEP, 1, 1 << 30, encode_key, encode_value, key_hash, None, None\n)\n"
        "keys = ['a' * (8 * number) for number in range(4000)] * 2\n"
        "random.Random(7).shuffle(keys)\n"
        "pairs.add(iter([(key, number) for number, key in enumerate(keys)]))\n"
        "threading.stack_size(256 << 10)\n"
        "thread = threading.Thread(target=pairs.sort)\n"
        "thread.start()\n"
        "thread.join()\n"
        "expected = [place for place, key in sorted(enumerate(keys), key=lambda pair: pair[1])]\n"
        "found, at = [], 0\n"
        "while frame := pairs.frame(0, at):\n"
        "    at += frame[1]\n"
        "    found += memoryview(frame[2])[-8 * frame[1]:].cast('q').tolist()\n"
        "print(found == expected)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert ("True\n", "", 0) == (done.stdout, done.stderr, done.returncode)


def test_refused_pairs_are_returned() -> None:
    """A refused float, bool or overflowing sum is returned, and no other pair is lost."""
    most = (1 << 63) - 1
    for odd in (1.5, True, None, "text", 1 << 63):
        given_pairs = collector("SUM")
        iterator = iter([("a", 1), ("a", 2), ("b", odd), ("c", 4)])
        assert (extension.REFUSED, (("b", odd),)) == given_pairs.add(iterator)
        assert [("c", 4)] == list(iterator)
        given_pairs.sort()
        assert [(encode_key("a"), 3)] == packed(given_pairs)
    given_pairs = collector("SUM")
    state, back = given_pairs.add(iter([("a", most), ("b", 1), ("a", 1), ("c", 5)]))
    assert extension.REFUSED == state
    given_pairs.sort()
    total = sum(int(value) for _, value in packed(given_pairs)) + sum(value for _, value in back)
    assert most + 7 == total


odd_values = st.one_of(st.integers(-3, 3), st.integers((1 << 63) - 2, (1 << 63) + 1), st.just(1.5))


@settings(max_examples=150)
@example(
    pairs=[("", 2), ("", (1 << 63) - 2)], operation="SUM", limit=0
)  # the smaller of the two is refused
@given(
    pairs=st.lists(st.tuples(st.one_of(near, many_keys), odd_values), max_size=80),
    operation=st.sampled_from(["SUM", "KEEP"]),
    limit=st.sampled_from([0, 6000, 1 << 20]),
)
def test_columns_are_pairs(pairs: list[tuple[Any, Any]], operation: str, limit: int) -> None:
    """Columns equal their pairs one by one; a refused pair is returned, and the rest is left."""
    given_pairs, taken = collector(operation, limit=limit), Counter[tuple[bytes, Any]]()
    key_list, value_list = [key for key, _ in pairs], [value for _, value in pairs]
    state, at, refused = extension.FULL, 0, ()
    while state == extension.FULL:
        state, at, refused = given_pairs.add_columns(key_list, value_list, at)
        given_pairs.sort()
        taken.update((key, unpack_value(value)) for key, value in packed(given_pairs))
        given_pairs.clear()
    left = [(encode_key(key), value) for key, value in [*refused, *pairs[at:]]]
    expected = [(encode_key(key), value) for key, value in pairs]
    if operation == "KEEP":
        assert (extension.ENDED, len(pairs), (), Counter(expected)) == (state, at, refused, taken)
        return
    sums: defaultdict[bytes, Fraction] = defaultdict(Fraction)
    for (key, value), times in taken.items():
        sums[key] += Fraction(value) * times
    for key, value in left:
        sums[key] += Fraction(value)
    for key, value in expected:
        sums[key] -= Fraction(value)
    assert not any(sums.values())
    if state == extension.ENDED:
        assert (len(pairs), ()) == (at, refused)
    else:
        assert extension.REFUSED == state
        most: defaultdict[bytes, Fraction] = defaultdict(
            Fraction
        )  # the largest intermediate sum of a key
        for key, value in expected:
            most[key] += max(Fraction(value), Fraction(0))
        assert any(value == 1.5 or most[key] >= 1 << 63 for key, value in left)


def test_columns_must_be_two_lists_of_one_length() -> None:
    """Columns that are not two lists of one length are refused before the first pair."""
    given_pairs = collector("SUM")
    wrongs: list[tuple[Any, Any]] = [([], ()), ([], [1]), (["a"], [])]
    for wrong in wrongs:
        with pytest.raises((TypeError, ValueError)):
            given_pairs.add_columns(*wrong, 0)
    with pytest.raises(ValueError, match="below 0"):
        given_pairs.add_columns([], [], -1)
    assert len(given_pairs) == 0


@pytest.mark.parametrize("odd", [7, None, False, "word", ("a", 1, 2), ("a",), []])
def test_values_that_are_no_pair_are_returned(odd: Any) -> None:
    """A value that is no pair is returned, so that Python's unpacking explains it."""
    for operation in ("SUM", "KEEP"):
        assert (extension.REFUSED, (odd,)) == collector(operation).add(iter([odd]))


def test_errors_come_through() -> None:
    """An error of the generator, the encoding or the partition's check is raised unchanged."""

    def broken() -> Iterator[tuple[str, int]]:
        yield "a", 1
        raise LookupError("mine")

    def check(key: bytes) -> int:
        raise ArithmeticError(key)

    for operation in ("SUM", "KEEP"):
        with pytest.raises(LookupError, match="mine"):
            collector(operation).add(broken())
        with pytest.raises(TypeError, match="cannot be carried"):
            collector(operation).add(iter([({1}, 1)]))
        with pytest.raises(TypeError, match="surrogate"):
            collector(operation).add(iter([("\ud800", 1)]))
        with pytest.raises(ArithmeticError):
            collector(operation, check=check).add(iter([("a", 1)]))
    with pytest.raises(ValueError, match="not one of the partitions"):
        (full := collector("SUM", 2, partition=lambda _: 2)).add(iter([("a", 1)]))
        full.sort()


@given(
    st.lists(st.tuples(many_keys, integers), min_size=1, max_size=50),
    st.sampled_from(["LEAST", "KEEP"]),
)
def test_a_full_collector_says_so(pairs: list[tuple[Any, int]], operation: str) -> None:
    """A full collector takes one pair at a time until it is cleared, and loses none."""
    given_pairs = collector(operation, limit=0)
    iterator, taken = iter(pairs), 0
    while given_pairs.add(iterator) == (extension.FULL, ()):
        given_pairs.sort()
        taken += len(packed(given_pairs))
        given_pairs.clear()
    given_pairs.sort()
    assert taken + len(packed(given_pairs)) <= len(pairs)
    if operation == "KEEP":
        assert taken + len(packed(given_pairs)) == len(pairs)
    assert [] == list(iterator)


runs_of = st.lists(
    st.lists(st.tuples(near.map(encode_key), integers), max_size=12).map(sorted), max_size=6
)


@given(runs_of)
def test_merging_keeps(runs: list[list[tuple[bytes, int]]]) -> None:
    """A keeping merge equals a stable sort of the joined runs."""
    given_runs = [
        [(key, number << 8 | at) for at, (key, _) in enumerate(run)]
        for number, run in enumerate(runs)
    ]
    expected = sorted((pair for run in given_runs for pair in run), key=lambda pair: pair[0])
    merged = extension.Merge([raw(list(run)) for run in given_runs], extension.KEEP)
    assert expected == [
        pair
        for frame in map(columns, merged)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]


@given(st.lists(st.lists(st.tuples(many_keys, values), max_size=8), max_size=4))
def test_merging_keeps_values_of_any_kind(runs: list[list[tuple[Any, Any]]]) -> None:
    """A keeping merge encodes integers among other values as Python does."""
    given_runs = [
        sorted(
            ((encode_key(key), pack_value(value)) for key, value in run), key=lambda pair: pair[0]
        )
        for run in runs
    ]
    expected = sorted(
        ((key, unpack_value(value)) for run in given_runs for key, value in run),
        key=lambda pair: pair[0],
    )
    merged = extension.Merge([raw(run) for run in given_runs], extension.KEEP)
    found = [
        pair
        for frame in map(columns, merged)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]
    assert expected == [(key, unpack_value(value)) for key, value in found]


@given(runs_of, st.sampled_from(OPERATIONS[:1] + OPERATIONS[2:]))
def test_merging_combines(
    runs: list[list[tuple[bytes, int]]], operation: tuple[str, Callable[[int, int], int]]
) -> None:
    """A combining merge gives one pair a key, and raises for a sum beyond 64 bits."""
    name, fold = operation
    expected: dict[bytes, int] = {}
    for key, value in (pair for run in runs for pair in run):
        expected[key] = fold(expected[key], value) if key in expected else value
    merged = extension.Merge([raw(list(run)) for run in runs], getattr(extension, name))
    try:
        found = [
            pair
            for frame in map(columns, merged)
            for pair in zip(frame.keys, frame.values, strict=True)
        ]
    except OverflowError:
        assert name == "SUM"
        return
    assert sorted(expected.items()) == found


def test_more_pairs_than_a_frame_holds() -> None:
    """A merge cuts frames where they are full, and raises the errors of a run."""
    pairs: list[PackedPair] = [
        (encode_key(f"{number:06}"), number) for number in range(2 * FRAME_PAIRS + 904)
    ]
    frames = list(extension.Merge([raw(pairs[::2], 100), raw(pairs[1::2], 1000)], extension.SUM))
    assert [FRAME_PAIRS, FRAME_PAIRS, 904] == [frame[1] for frame in frames]
    assert pairs == [
        pair
        for frame in map(columns, frames)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]

    def broken() -> Iterator[RawFrame]:
        yield from raw(pairs[:4])
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        list(extension.Merge([broken(), raw(pairs)], extension.SUM))


@pytest.mark.parametrize(
    "frame",
    [
        (1, 1, b""),
        (1, 1, b"\x01\x00\x00\x00a"),
        (0, 1, b"\xff" * 8),
        (1, 1 << 31, b"x" * 50),
        (1, 0, b"x"),
        (2, 1, bytes(8)),
        (-1, 1, bytes(8)),
        (1, -1, b""),
        (1, 1 << 32, b""),
        (1 << 32, 1, bytes(8)),
    ],
)
def test_lengths_that_do_not_add_up(frame: RawFrame) -> None:
    """A frame with wrong lengths is refused before a read beyond it."""
    for use in (
        lambda: list(extension.Merge([iter([frame])], extension.KEEP)),
        lambda: extension.groups(frame, unpack_value),
    ):
        with pytest.raises(ValueError, match="do not add up"):
            use()


@given(st.lists(st.tuples(near, values), max_size=30))
def test_groups(pairs: list[tuple[str, Any]]) -> None:
    """Groups are runs of equal keys with their decoded values."""
    expected: list[tuple[bytes, list[Any]]] = []
    for key, value in pairs:
        if not expected or expected[-1][0] != encode_key(key):
            expected.append((encode_key(key), []))
        expected[-1][1].append(value)
    (frame,) = (
        raw([(encode_key(key), pack_value(value)) for key, value in pairs], 100)
        if pairs
        else [(1, 0, b"")]
    )
    assert expected == extension.groups(frame, unpack_value)


plain = st.recursive(
    st.none()
    | st.booleans()
    | integers
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner)
        | st.lists(st.none(), min_size=14, max_size=18)
    ),
    max_leaves=12,
)
"""Values that the extension writes as JSON."""
plain_keys = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - (1 << 64), (1 << 64) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab\x00\u20ac")
    | st.binary().filter(lambda raw: b"\x00" not in raw),
    lambda inner: st.lists(inner, max_size=4).map(tuple),
    max_leaves=6,
)
"""Keys that it writes."""


LENGTHS = (0, 1, 14, 15, 16, 17, 31, 32, 33, 127, 128, 255, 256, 65_535, 65_536)
"""Where MessagePack goes over to another header, and their neighbours."""
OF_EACH_LENGTH: list[Any] = [
    made(length)
    for length in LENGTHS
    for made in (
        lambda length: "x" * length,
        lambda length: b"x" * length,
        lambda length: [None] * length,
        lambda length: (None,) * length,
        lambda length: ("x" * length,),
        lambda length: {f"{number}": number for number in range(length)},
    )
]
NUMBERS = [
    sign * ((1 << bits) + more)
    for bits in (0, 5, 6, 7, 8, 15, 16, 31, 32, 62)
    for more in (-2, -1, 0, 1)
    for sign in (1, -1)
]


@given(st.lists(st.tuples(st.one_of(keys, plain_keys), st.one_of(values, plain)), max_size=12))
@example([("k", value) for value in OF_EACH_LENGTH])
@example([("k", [number]) for number in NUMBERS])
@example([((number, b"\x00", "\x00a"), None) for number in NUMBERS])
@example([("k", {"a": [{"b": ()}]}), (((),), ((), [])), (-0.0, [-0.0]), (True, 1.5), ((), {})])
def test_packed_as_python_packs(pairs: list[tuple[Any, Any]]) -> None:
    """Keys and values have the bytes of Python's encoders, and come back as they were."""
    kept = collector("KEEP")
    kept.add(iter(pairs))
    kept.sort()
    expected = sorted(
        ((encode_key(key), encode_value(value)) for key, value in pairs), key=lambda pair: pair[0]
    )
    # a frame of integers alone holds them as such
    assert expected == [
        (key, encode_value(value) if type(value) is int else value) for key, value in packed(kept)
    ]
    found = [
        (key, value)
        for frame in frames_of(kept, 0)
        for key, group in extension.groups(frame, unpack_value)
        for value in group
    ]
    decoded = [(key, unpack_value(value)) for key, value in expected]
    assert decoded == found
    assert list(map(repr, decoded)) == list(map(repr, found))  # True is not 1, nor -0.0 0.0


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        ["\ud800"],
        {1: 2},
        {"a": object()},
        [1 << 64],
        (Decimal("1.5"), datetime.date(2026, 1, 31)),
        functools.reduce(lambda inner, _: [inner], range(100), None),
    ],
)
def test_what_is_not_plain_is_left_to_python(value: Any) -> None:
    """A value that only Python carries has its bytes, and one that nobody carries its error."""
    kept = collector("KEEP")
    try:
        expected = pack_value(value)
    except NotCarriable as exc:
        with pytest.raises(NotCarriable) as refused:
            kept.add(iter([("k", value)]))
        assert str(exc) == str(refused.value)
        return
    kept.add(iter([("k", value)]))
    kept.sort()
    assert [(encode_key("k"), expected)] == packed(kept)
    (group,) = extension.groups(next(iter(frames_of(kept, 0))), unpack_value)
    assert [value] == group[1]


@given(st.binary(min_size=1, max_size=12))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\x00\xff\xff\xff\xc0")
@example(b"\x91" * 200)
@example(b"\xc7\x05\x01\x91\xc0\xc0\xc0\xc0")
@example(b"\xa1\xff")
def test_bytes_that_are_no_value(encoded: bytes) -> None:
    """Bytes are decoded as Python decodes them, or are given to it."""
    given_up: list[bytes] = []
    (frame,) = raw([(b"\x60k", encoded)])
    ((_, (found,)),) = extension.groups(frame, lambda data: given_up.append(data))
    if given_up:
        assert ([encoded], None) == (given_up, found)
    else:
        assert repr(unpack_value(encoded)) == repr(found)


@given(st.lists(st.tuples(plain_keys, plain), min_size=1, max_size=20))
@example(
    [("".join(map(chr, range(200))), -(1 << 63)), ('"\\\u2028\U0001f600', (1 << 63) - 1), ("", 0)]
)
@example([("e", number) for number in (1e-5, -1.25e-5, 9e15, 1e16, -2.5e300, 5e-324, -0.0, 1e-4)])
@example([("a\x00", ("\x00" * 300, ["x" * 70_000])), (("a\x00", "b"), {"n": [b"\x00\xff\x01"]})])
@pytest.mark.parametrize(
    "layout",
    [
        layout_of("jsonl", as_object=False),
        layout_of("json", as_object=True),
        layout_of("json", as_object=False),
    ],
)
def test_rows(layout: JsonLayout, pairs: list[tuple[Any, Any]]) -> None:
    """Rows are the JSON of Python's encoder, byte for byte, with the rank of the heaviest value."""
    (frame,) = raw([(encode_key(key), pack_value(value)) for key, value in pairs], 100)
    decoded = ((decode_key(encode_key(key)), value) for key, value in pairs)  # -0.0 is 0.0
    expected = layout.rows((json_key(key), jsonable(value)) for key, value in decoded)
    assert (expected, max(weight(value) for _, value in pairs)) == layout.rows_of_frame(frame)


@given(keys, values)
@example("k", 1 << 63)
@example(datetime.date(2026, 1, 31), 1)
@example(("a", b"\x00"), 1)
@example("k", [Decimal("1.5")])
def test_rows_of_other_kinds(key: Any, value: Any) -> None:
    """Rows of any kind are those of Python's encoder, or are left to Python."""
    (frame,) = raw([(encode_key(key), pack_value(value))])
    layout = layout_of("jsonl", as_object=False)
    found = layout.rows_of_frame(frame)
    if found is not None:
        key, value = decode_key(encode_key(key)), unpack_value(pack_value(value))
        assert (layout.rows([(json_key(key), jsonable(value))]), weight(value)) == found


@given(st.binary(max_size=12), st.binary(max_size=12))
@example(b"\x50\x60a", b"\x91")
@example(b"\x50\x50", b"\xc7\x05\x01\x91\xc0\xc0\xc0\xc0")
@example(b"\x20", b"\xdd\xff\xff\xff\xff")
@example(b"\x60" + b"a" * 9, b"\x91" * 200)
@example(b"\x50" * 200, b"\xc0")
def test_rows_of_bytes_that_are_no_pair(key: bytes, value: bytes) -> None:
    """Bytes that are no key or value are left to Python, and nothing beyond them is read."""
    (frame,) = raw([(b"\x60" + key, 1), (key or b"\x60", value or b"\xc0")], 100)
    found = layout_of("jsonl", as_object=False).rows_of_frame(frame)
    assert found is None or found[0].endswith(b"}\n")


def test_one_call_at_a_time() -> None:
    """A collector or merge refuses a call during its own call, and works afterwards."""
    given_pairs = collector("SUM")

    def calling() -> Iterator[tuple[str, int]]:
        yield "a", 1
        for act in (given_pairs.sort, given_pairs.clear, lambda: given_pairs.add(iter([]))):
            with pytest.raises(RuntimeError, match="in use"):
                act()
        yield "a", 2

    assert (extension.ENDED, ()) == given_pairs.add(calling())
    given_pairs.sort()
    assert [(encode_key("a"), 3)] == packed(given_pairs)
    with pytest.raises(RuntimeError, match="not initialised"):
        extension.Collector.__new__(extension.Collector).add(iter([]))
    with pytest.raises(RuntimeError, match="initialised already"):
        given_pairs.__init__(extension.SUM, 1, 1, encode_key, encode_value, key_hash, None, None)


@given(st.lists(st.lists(st.tuples(many_keys, values), max_size=12), max_size=5))
def test_first_pairs(runs: list[list[tuple[Any, Any]]]) -> None:
    """Of each key, a merge keeps the pair that comes first, from the earliest run."""
    encoded = [
        sorted(
            ((encode_key(key), pack_value(value)) for key, value in run), key=lambda pair: pair[0]
        )
        for run in runs
    ]
    expected: dict[bytes, Any] = {}
    for run in encoded:
        for key, value in run:
            expected.setdefault(key, value)
    merging = extension.Merge([raw(run, 2) for run in encoded], extension.FIRST)
    found = [
        pair
        for frame in map(columns, merging)
        for pair in zip(frame.keys, frame.values, strict=True)
    ]
    assert sorted(expected.items()) == [(key, pack_value(unpack_value(v))) for key, v in found]


def test_a_merge_that_has_failed_has_no_more() -> None:
    """A merge that has failed yields no further pair."""

    def broken() -> Iterator[RawFrame]:
        yield from raw([(b"a", 1)])
        raise LookupError("lost")

    merging = extension.Merge([broken(), raw([(b"b", 1)])], extension.SUM)
    with pytest.raises(LookupError, match="lost"):
        list(merging)
    assert [] == list(merging)


def test_words_are_counted_by_many_threads() -> None:
    """The counter works in many threads without the interpreter's lock, and frees large tables."""
    counts = extension.WordCounts()
    letters = "abcdefghijklmnopqrstuvwxyz"
    data = "".join(
        f"{a}{b}{c}x{d} " for a in letters for b in letters for c in letters for d in letters[:4]
    ).encode()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(counts.add, [data] * 8))
    before = counts.nbytes
    words, numbers, _, _ = counts.take()
    assert (26**3 * 4, {8}) == (len(words), set(numbers))
    assert counts.nbytes < before / 10
