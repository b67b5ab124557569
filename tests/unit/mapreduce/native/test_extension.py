"""The native extension equals plain Python: hashes, order, sums and words."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import chain
from typing import Any

import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import native
from mapreduce.encoding import decode_key, encode_key, encode_value, unpack_value
from mapreduce.partition import hash_partition, key_hash
from tests.unit.mapreduce.any_keys import values
from tests.unit.mapreduce.native.in_python import (
    OPERATIONS,
    collector,
    extension,
    integers,
    many_keys,
    near,
    packed,
)

pytestmark = pytest.mark.skipif(
    native.extension is None, reason=f"the native extension is {native.why_not}"
)


@given(st.binary(min_size=1, max_size=16))
def test_short_hash(data: bytes) -> None:
    """The hash of short keys is xxh3_64, because partitions must equal those of Python."""
    assert xxhash.xxh3_64_intdigest(data) == extension.short_hash(data)


@given(st.binary(max_size=2000), st.integers(0, 255))
@example(b"\n" * 1000, 10)
def test_byte_count(data: bytes, byte: int) -> None:
    """A byte is counted as by `bytes.count`."""
    assert data.count(byte) == extension.byte_count(data, byte)


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


def test_the_instructions_of_a_word_count_are_chosen() -> None:
    """`lanes` is a limit, not a demand, and only numbers that stand for instructions are taken."""
    most = extension.WordCounts().lanes
    assert [min(lanes, most) for lanes in (1, 16, 32, 64)] == [
        extension.WordCounts(lanes).lanes for lanes in (1, 16, 32, 64)
    ]
    for lanes in (0, 2, 128, -1):
        with pytest.raises(ValueError, match="lanes are 1, 16, 32 or 64"):
            extension.WordCounts(lanes)


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
