"""The meaning of a fuzzer's input: its first byte chooses a target, which reads the rest.

Each target calls the extension with values from the bytes, allows the documented errors, and
compares every answer with plain Python.
"""

from __future__ import annotations

import io
import json
import re
import struct
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, chain, groupby, pairwise, product
from typing import Any, Literal

import xxhash

from mapreduce import native
from mapreduce.encoding import STR_TAG, decode_key, encode_key, encode_value, unpack_value
from mapreduce.errors import CorruptBlock, RecordError
from mapreduce.formats.frames import (
    ENCODED,
    FRAME_PAIRS,
    INTEGERS,
    BlockReader,
    BlockWriter,
    RawFrame,
    columns,
)
from mapreduce.formats.json_values import json_key, jsonable
from mapreduce.formats.packed_column import PackedColumn
from mapreduce.formats.row_parser import RowBlock, RowParser
from mapreduce.formats.separated_columns import TextColumn
from mapreduce.input_formats import ColumnKind, Csv
from mapreduce.partition import hash_partition, key_hash

extension: Any = native.extension
LEAST, MOST = -(1 << 63), (1 << 63) - 1


@dataclass(slots=True)
class Reader:
    """Values from the bytes of an input; after its end it reads zeros."""

    data: bytes
    at: int = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes, or fewer at the end."""
        taken = self.data[self.at : self.at + size]
        self.at += size
        return taken

    def number(self, size: int = 1, *, signed: bool = False) -> int:
        """Return a little-endian number."""
        return int.from_bytes(self.take(size).ljust(size, b"\0"), "little", signed=signed)

    def rest(self) -> bytes:
        """Return all remaining bytes."""
        return self.take(max(len(self.data) - self.at, 0))

    def __bool__(self) -> bool:
        return self.at < len(self.data)


def one_input(data: bytes) -> None:
    """Run the target that an input chooses; raise for a wrong answer."""
    if data:
        TARGETS[data[0] % len(TARGETS)](Reader(data, 1))


def frame_target(data: Reader) -> None:
    """Frames of any kind and count are refused, or read as plain Python reads them."""
    frame = (data.number(), data.number(4), data.rest())
    if not _adds_up(frame):
        assert extension.last_key(frame, None) is None
        for use in (
            lambda: list(extension.Merge([iter([frame])], extension.KEEP)),
            lambda: extension.groups(frame, bytes),
            lambda: extension.rows(frame, b"", b"", b""),
        ):
            _raises(ValueError, use)
        return
    pairs = _pairs(frame)
    keys = [key for key, _ in pairs]
    for previous in (None, b"", b"\x60a", keys[0] if keys else b"z"):
        ordered = [] if previous is None else [previous]
        expected = (keys or ordered or [b""])[-1] if _ascend([*ordered, *keys]) else None
        assert expected == extension.last_key(frame, previous)
    _check_groups(frame, pairs)
    _check_rows(frame, pairs)
    firsts = [(key, _packed(next(group)[1])) for key, group in groupby(pairs, lambda pair: pair[0])]
    assert firsts == [
        (key, _packed(value))
        for each in extension.Merge([iter([frame])], extension.FIRST)
        for key, value in _pairs(each)
    ]
    merged = list(extension.Merge([iter([frame])], extension.KEEP))
    assert [(key, _packed(value)) for key, value in pairs] == [
        (key, _packed(value)) for each in merged for key, value in _pairs(each)
    ]


def block_target(data: Reader) -> None:
    """A block whose frames the reader accepts is in order, and merges to itself."""
    frames: list[RawFrame] = []
    while data and len(frames) < 8:
        kind, pairs, size = data.number() & 1, data.number(2) % 64, data.number(2)
        frames.append((kind, pairs, data.take(size)))
    file = io.BytesIO()
    writer = BlockWriter(file)
    writer.write_frames(frames)
    try:
        reader = BlockReader(io.BytesIO(file.getvalue()), writer.length, "fuzz")
        found = list(reader.raw_frames())
    except CorruptBlock:
        keys = [key for frame in frames if _adds_up(frame) for key, _ in _pairs(frame)]
        assert not (
            all(map(_adds_up, frames)) and all(frame[1] for frame in frames) and _ascend(keys)
        )
        return
    assert frames == found
    assert _ascend([key for frame in frames for key in columns(frame).keys])
    merged = list(extension.Merge([iter(found)], extension.KEEP))
    assert list(chain.from_iterable(map(_pairs, frames))) == [
        (key, value) for frame in merged for key, value in _pairs_like(frame, frames)
    ]


def words_target(data: Reader) -> None:
    """Text in pieces has the words and runs that a regular expression finds."""
    counts = extension.WordCounts((1, 16, 32, 64)[data.number() % 4])
    for _ in range(2):
        expected: Counter[bytes] = Counter()
        for _ in range(data.number() % 4):
            text = data.take(data.number(2) % 512)
            piece = (bytearray(text) if len(text) % 2 else text) * (1 + data.number() % 3)
            counts.add(piece)
            expected.update(map(_lower, re.findall(rb"[A-Za-z'\x80-\xff]+", bytes(piece))))
        assert len(expected) == len(counts)
        assert counts.nbytes > 0
        found = dict((_taken_packed if data.number() % 2 else _taken)(counts))
        assert dict(expected) == found
        assert len(counts) == 0


def _taken(counts: Any) -> list[tuple[bytes, int]]:
    words, numbers, runs, run_numbers = counts.take()
    return list(zip([word.encode() for word in words] + runs, numbers + run_numbers, strict=True))


def _taken_packed(counts: Any) -> list[tuple[bytes, int]]:
    ends, texts, numbers, runs, run_numbers = counts.take_packed()
    places = memoryview(ends).cast("I").tolist()
    words = [texts[start:end] for start, end in pairwise(places)]
    assert (0, len(texts)) == (places[0], places[-1])
    counted = zip(words, memoryview(numbers).cast("q"), strict=True)
    return [*counted, *zip(runs, run_numbers, strict=True)]


def merge_target(data: Reader) -> None:
    """A merge of any runs raises only documented errors, and combines pairs of sorted integers."""
    operation = data.number() % 8 - 1
    runs: list[list[RawFrame]] = [[] for _ in range(data.number() % 6)]
    while data and runs:
        run, shape = runs[data.number() % len(runs)], data.number()
        pairs = [
            (data.take(data.number() % 24), data.number(8, signed=True)) for _ in range(shape % 6)
        ]
        if shape & 64:
            pairs.sort()
        run.append(_frame_of(pairs, INTEGERS if shape & 128 else ENCODED))
    if operation not in range(extension.KEEP, extension.FIRST + 1):
        _raises(ValueError, lambda: extension.Merge([], operation))
        return
    merging = extension.Merge([iter(run) for run in runs], operation)
    found: list[tuple[bytes, Any]] = []
    try:
        for frame in merging:
            assert _adds_up(frame)
            assert 0 < frame[1] <= FRAME_PAIRS
            found += _pairs(frame)
    except TypeError:
        assert operation not in (extension.KEEP, extension.FIRST)
        assert any(frame[0] == ENCODED for run in runs for frame in run)
        assert [] == list(merging)
        return
    except OverflowError:
        assert operation in (extension.SUM, extension.COUNT)
        assert [] == list(merging)
        return
    given = [[pair for frame in run for pair in _pairs(frame)] for run in runs]
    assert operation != extension.KEEP or len(found) == sum(map(len, given))
    if all(_ascend([key for key, _ in run]) for run in given):
        ordered = sorted(chain.from_iterable(given), key=lambda pair: pair[0])
        if operation != extension.KEEP:
            ordered = [
                (key, _folded(operation, [value for _, value in group]))
                for key, group in groupby(ordered, lambda pair: pair[0])
            ]
        assert [(key, _packed(value)) for key, value in ordered] == [
            (key, _packed(value)) for key, value in found
        ]


def collector_target(data: Reader) -> None:
    """A collector of any kind and limit loses no pair, and returns all pairs in order."""
    operation, partitions = data.number() % 5, 1 + data.number() % 3
    limit, ways = data.number(3) % (1 << 17), data.number()
    asked: Callable[[bytes], int] | None = (
        (lambda key: bisect_right([b"\x60b"], key) % partitions) if ways & 1 else None
    )
    check = asked if ways & 2 else None
    given = extension.Collector(
        operation, partitions, limit, encode_key, encode_value, key_hash, asked, check
    )

    def place(key: bytes) -> int:
        return asked(key) if asked else hash_partition(key, partitions)

    taken: list[tuple[bytes, Any]] = []
    pairs: list[tuple[Any, Any]] = []
    left: list[tuple[Any, Any]] = []

    def drain() -> None:
        given.sort()
        assert _raises(RuntimeError, lambda: given.add(iter([])))
        for partition in range(partitions):
            found, at = [], 0
            while frame := given.frame(partition, at):
                found += _pairs(frame)
                at += frame[1]
            assert _ascend([key for key, _ in found])
            assert all(place(key) == partition for key, _ in found)
            taken.extend(found)
        given.clear()

    while data and len(pairs) < 600 and not left:
        some = [_pair(data) for _ in range(1 + data.number() % 40)]
        pairs += some
        way = data.number() % 3
        if way == 2 and (buffers := _buffers(some)) is not None:
            _add_packed(given, some, buffers, left, drain)
        elif way:
            _add_columns(given, some, left, drain)
        else:
            _add(given, some, left, drain)
    drain()
    _check_collected(operation, pairs, taken, left)


def short_target(data: Reader) -> None:
    """The count of a byte and the hash of short keys equal plain Python's."""
    text = data.rest()
    for byte in {10, *text[:1]}:
        assert text.count(byte) == extension.byte_count(text, byte)
    lines = text.removesuffix(b"\n").split(b"\n") if text else []
    braced = all(line.startswith(b"{") and line.endswith(b"}") for line in lines)
    assert (len(lines) if braced else -1) == extension.braced_lines(text)
    for key in (text[:16], text[-5:], text[:1]):
        if key:
            assert xxhash.xxh3_64_intdigest(key) == extension.short_hash(key)
    if not 1 <= len(text) <= 16:
        _raises(ValueError, lambda: extension.short_hash(text))


def separated_target(data: Reader) -> None:
    """Columns are those of the row parser, or are left to it."""
    delimiter, quote, width = b",;"[data.number() & 1], (34, 39, -1)[data.number() % 3], 3
    quoting: Literal["minimal", "none"] = "none" if quote < 0 else "minimal"
    form = Csv(delimiter=chr(delimiter), quote=chr(max(quote, 34)), quoting=quoting)
    text = data.rest()
    found = extension.separated(text, delimiter, quote, width, (2, 0))
    try:
        block = RowBlock(text, 1, "file:///fuzzed", RowParser(form).marks)
        rows = [row for _, row in RowParser(form).rows(block) if row]
    except RecordError:
        rows = [[]]
    if found is None or not _is_utf8(text):
        return
    assert all(len(row) == width for row in rows), rows
    columns = [TextColumn(ends, texts).texts() for ends, texts in found[1]]
    assert (len(rows), [[row[at] for row in rows] for at in (2, 0)]) == (found[0], columns)


def json_lines_target(data: Reader) -> None:
    """Columns are those of Python's own parser, or are left to it."""
    names = ("s", "i", "f", "b")
    kinds = (str, int, float, bool)
    text = data.rest()
    found = extension.json_lines(text, tuple((n.encode(), at) for at, n in enumerate(names)))
    if found is None or not _is_utf8(text):
        return
    rows = [json.loads(line) for line in text.split(b"\n") if line.strip(b" \t\r")]
    columns = [PackedColumn(kind.__name__, found[0], *each) for kind, each in zip(kinds, found[1])]  # type: ignore[arg-type]  # noqa: B905
    for name, kind, column in zip(names, kinds, columns, strict=True):
        values = [row.get(name) for row in rows]
        if kind is float:
            values = [value if value is None else float(value) for value in values]
        assert all(value is None or type(value) is kind for value in values), values
        assert repr(values) == repr(column.listed())


def fold_target(data: Reader) -> None:
    """A fold of any states has each key once, in order, or leaves a key to Python."""
    kinds = bytes(b"salgtuqQvd"[data.number() % 10] for _ in range(data.number() % 4))
    header, results = (encode_value([None] * len(kinds))[:1], bool(data.number() & 1))
    several = (data.number() & 1, 1, 3, 1, 2)
    frame = (data.number() & 1, data.number(1), data.rest())
    prefixes = tuple(b"" for _ in kinds)
    by_kind = {"q": several[:3], "Q": several, **dict.fromkeys("tuvd", several[:1])}
    options = tuple(by_kind.get(chr(kind), ()) for kind in kinds)

    def otherwise(key: bytes, states: list[bytes], is_result: bool) -> bytes:
        return b"".join(states)

    def fold() -> list[RawFrame]:
        given = iter([frame, frame]) if results else iter([frame])
        return list(extension.Fold(given, kinds, header, prefixes, options, results, otherwise))

    if not kinds or not _adds_up(frame):
        _raises(ValueError, fold)
        return
    pairs = _pairs(frame) * (2 if results else 1)
    keys = [key for key, _ in groupby(pairs, lambda pair: pair[0])]
    assert keys == [key for each in fold() for key, _ in _pairs(each)]


def states_target(data: Reader) -> None:
    """Columns of any form are refused, or are as many pairs as there are rows."""
    given = extension.Collector(
        extension.KEEP, 1, 1 << 20, encode_key, encode_value, key_hash, None, None
    )
    steps = "".join("tnb()"[data.number() % 5] for _ in range(data.number() % 6))
    layout = "".join("idfqrwvx[]"[data.number() % 10] for _ in range(data.number() % 6))
    rows = data.number() % 4
    fields = tuple(
        (
            data.take(1) if data.number() & 1 else None,
            data.take(4 * rows + 4) if step == "t" else None,
            data.take(8 * rows).ljust(8 * rows if step != "t" else 0, b"\0"),
        )
        for step in steps
        if step in "tnb"
    )
    by_kind = {"f": "88", "q": "48", "r": "48", "w": "8" + "@" * 2, "v": "8" + "@" * 8}
    wanted = "".join(by_kind.get(kind, "8" if kind in "idx" else "") for kind in layout)
    sizes = [{"8": 8 * rows, "@": 16 * rows, "4": 4 * rows + 4}[each] for each in wanted]
    columns_given = tuple(data.take(size).ljust(size, b"\0") for size in sizes)
    try:
        state, at = given.add_states(steps, fields, layout, columns_given, rows, 0)
    except ValueError:
        return
    assert state in (extension.ENDED, extension.REFUSED)
    assert (at == rows) is (state == extension.ENDED)
    assert at == len(given)


def records_target(data: Reader) -> None:
    """Any buffers are refused, or are the values that plain Python reads of them."""
    kind, ends = "csilCSILfgbuz"[data.number() % 13], data.take(data.number() % 40)
    valid, begin, end = data.take(data.number() % 4) or None, data.number() % 8, data.number() % 32
    values = data.rest()
    try:
        rows = extension.records(("a",), ((kind, valid, values, ends),), begin, end)
    except ValueError:
        return
    assert end - begin == len(rows)
    for at, row in zip(range(begin, end), rows, strict=True):
        (value,) = row.values()
        if valid is not None and not valid[at >> 3] >> (at & 7) & 1:
            assert value is None
        elif kind == "b":
            assert value is bool(values[at >> 3] >> (at & 7) & 1)
        elif kind in "uz":
            start, stop = struct.unpack_from("<2i", ends, 4 * at)
            assert values[start:stop] == (value.encode() if kind == "u" else value)
        else:
            letter = "bhiqBHIQfd"["csilCSILfg".index(kind)]
            size = struct.calcsize(letter)
            assert repr(struct.unpack_from(f"<{letter}", values, at * size)[0]) == repr(value)


def join_target(data: Reader) -> None:
    """Buffers of any bytes are refused, or joined as a loop over their rows does it."""
    rows = data.number() % 40
    columns = tuple(_column(data, rows, name) for name in (b"\xa1a", b"\xa1b"))
    others = tuple(_column(data, rows, name) for name in (b"\xa1c", b"\xa1d"))
    how, swapped, limit = data.number() % 4, bool(data.number() & 1), data.number(2)
    held = extension.HeldRows()
    collector = extension.Collector(
        extension.KEEP, 1, limit, encode_key, encode_value, key_hash, None, None
    )
    pairs: list[tuple[bytes, Any]] = []
    state, at, following = extension.FULL, 0, 0
    try:
        if not held.add(columns, rows, 0, how < 2):
            return
        while state == extension.FULL:
            found = held.join(collector, others, rows, 1, how, swapped, at, following)
            if found is None:
                return
            state, at, following = found
            collector.sort()
            taken = 0
            while frame := collector.frame(0, taken):
                taken += frame[1]
                pairs += _pairs(frame)
            collector.clear()
    except ValueError:
        return
    held_rows, other_rows = _rows(columns, rows, "ab"), _rows(others, rows, "cd")
    expected: Counter[str] = Counter()
    for row in other_rows:
        partners: list[Any] = [each for each in held_rows if _same(each["a"], row["d"])]
        if how > 1:
            expected[repr((row["d"], row))] += bool(partners) == (how == 2)
            continue
        for each in partners or [None] * how:
            expected[repr((row["d"], (each, row) if swapped else (row, each)))] += 1
    assert +expected == Counter(
        repr((decode_key(key), unpack_value(value))) for key, value in pairs
    )


def _column(data: Reader, rows: int, name: bytes) -> tuple[bytes, int, bytes, bytes, bytes]:
    """Return a column whose buffers mostly have the lengths of the rows."""
    kind, odd = data.number() % 4, data.number()
    valid = data.take((rows + 7) // 8) if odd & 1 else b""
    if kind == 0:
        ends = [0, *accumulate(data.number() % 20 for _ in range(rows))]
        values = bytes(byte & 127 for byte in data.take(ends[-1]))
        return name, kind, valid, values, array("i", ends).tobytes()
    size = (rows + 7) // 8 if kind == 3 else 8 * rows
    return name, kind, valid, data.take(size).ljust(size if odd & 2 else 0, b"\1"), b""


def _rows(
    columns: tuple[tuple[bytes, int, bytes, bytes, bytes], ...], rows: int, names: str
) -> list[dict[str, Any]]:
    kinds: tuple[ColumnKind, ...] = ("str", "int", "float", "bool")
    lists = [
        PackedColumn(kinds[kind], rows, len(valid), valid, values, ends).listed()
        for _, kind, valid, values, ends in columns
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*lists, strict=True)]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


TARGETS: list[Callable[[Reader], None]] = [
    frame_target,
    block_target,
    words_target,
    merge_target,
    collector_target,
    short_target,
    separated_target,
    json_lines_target,
    fold_target,
    states_target,
    records_target,
    join_target,
]


def _add(
    given: Any, some: list[tuple[Any, Any]], left: list[tuple[Any, Any]], drain: Callable[[], None]
) -> None:
    pairs = iter([list(pair) if len(some) % 2 else pair for pair in some])
    state, refused = given.add(pairs)
    while state == extension.FULL:
        assert () == refused
        drain()
        state, refused = given.add(pairs)
    assert (state == extension.REFUSED) is (len(refused) > 0)
    left += [tuple(pair) for pair in chain(refused, pairs)]


def _add_columns(
    given: Any, some: list[tuple[Any, Any]], left: list[tuple[Any, Any]], drain: Callable[[], None]
) -> None:
    keys, values = [key for key, _ in some], [value for _, value in some]
    state, at, refused = given.add_columns(keys, values, 0)
    while state == extension.FULL:
        assert () == refused
        drain()
        state, at, refused = given.add_columns(keys, values, at)
    assert state == extension.REFUSED or (at, refused) == (len(keys), ())
    left += [*refused, *some[at:]]


def _buffers(some: list[tuple[Any, Any]]) -> tuple[bytes | None, bytes, bytes] | None:
    """Return texts or integers, and integers, as buffers; None where the pairs are others."""
    keys, values = [key for key, _ in some], [value for _, value in some]
    try:
        packed_values = array("q", values).tobytes()
        if all(type(key) is int for key in keys):
            return None, array("q", keys).tobytes(), packed_values
    except (TypeError, OverflowError):
        return None
    if not all(type(key) is str for key in keys):
        return None
    texts = [key.encode("utf-8") for key in keys]
    ends = array("i", [0, *accumulate(map(len, texts))]).tobytes()
    return ends, b"".join(texts), packed_values


def _add_packed(
    given: Any,
    some: list[tuple[Any, Any]],
    buffers: tuple[bytes | None, bytes, bytes],
    left: list[tuple[Any, Any]],
    drain: Callable[[], None],
) -> None:
    state, at, refused = given.add_packed(*buffers, 0)
    while state == extension.FULL:
        assert () == refused
        drain()
        state, at, refused = given.add_packed(*buffers, at)
    assert state == extension.REFUSED or (at, refused) == (len(some), ())
    left += [*refused, *some[at:]]


def _check_collected(
    operation: int,
    pairs: list[tuple[Any, Any]],
    taken: list[tuple[bytes, Any]],
    left: list[tuple[Any, Any]],
) -> None:
    encoded = [(encode_key(key), value) for key, value in pairs]
    if operation == extension.KEEP:
        assert not left
        assert Counter((key, encode_value(value)) for key, value in encoded) == Counter(
            (key, encode_value(unpack_value(value))) for key, value in taken
        )
        return
    rest = Counter(encode_key(key) for key, _ in left)
    if operation == extension.COUNT:
        assert not left
        counts: Counter[bytes] = Counter()
        for key, value in taken:
            counts[key] += value
        assert Counter(key for key, _ in encoded) == counts
        return
    numbers = [(encode_key(key), value) for key, value in left if type(value) is int]
    given = [(key, value) for key, value in encoded if type(value) is int]
    assert len(left) - len(numbers) == len(encoded) - len(given) or rest
    for key in {key for key, _ in encoded}:
        parts = [value for each, value in chain(taken, numbers) if each == key]
        whole = [value for each, value in given if each == key]
        assert bool(parts) is bool(whole)
        if whole:
            assert _folded(operation, whole) == _folded(operation, parts)


def _pair(data: Reader) -> tuple[Any, Any]:
    shape = data.number()
    text = data.take(shape % 21)
    key: Any = text
    if shape & 128:
        key = text.decode("latin-1")
    elif shape & 64:
        key = int.from_bytes(text, "little")
    odd = data.number()
    if odd == 255:
        return key, 1.5
    if odd == 254:
        return key, 1 << 63
    return key, data.number(8, signed=True) if odd & 1 else odd


def _folded(operation: int, values: list[int]) -> int:
    if operation == extension.LEAST:
        return min(values)
    if operation == extension.FIRST:
        return values[0]
    return max(values) if operation == extension.GREATEST else sum(values)


def _adds_up(frame: RawFrame) -> bool:
    kind, pairs, payload = frame
    heads = {ENCODED: 8, INTEGERS: 4}.get(kind)
    if heads is None or heads * pairs > len(payload):
        return False
    lengths = memoryview(payload)[: heads * pairs].cast("I")
    return heads * pairs + sum(lengths) + (8 * pairs if kind == INTEGERS else 0) == len(payload)


def _pairs(frame: RawFrame) -> list[tuple[bytes, Any]]:
    found = columns(frame)
    return list(zip(found.keys, found.values, strict=True))


def _pairs_like(frame: RawFrame, frames: list[RawFrame]) -> list[tuple[bytes, Any]]:
    """Return pairs, with integers encoded as in `frames`: a merge may encode them."""
    if frame[0] == INTEGERS or all(kind == ENCODED for kind, _, _ in frames):
        return _pairs(frame)
    integers = [each[0] == INTEGERS for each in frames for _ in range(each[1])]
    return [
        (key, unpack_value(value) if is_integer else value)
        for (key, value), is_integer in zip(_pairs(frame), integers, strict=True)
    ]


def _packed(value: Any) -> bytes:
    return encode_value(value) if type(value) is int else value


def _frame_of(pairs: list[tuple[bytes, int]], kind: int) -> RawFrame:
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    lengths = b"".join(len(key).to_bytes(4, "little") for key in keys)
    if kind == INTEGERS:
        tail = b"".join(value.to_bytes(8, "little", signed=True) for value in values)
        return INTEGERS, len(pairs), lengths + b"".join(keys) + tail
    encoded = [encode_value(value) for value in values]
    value_lengths = b"".join(len(value).to_bytes(4, "little") for value in encoded)
    return ENCODED, len(pairs), lengths + value_lengths + b"".join(keys) + b"".join(encoded)


@dataclass(frozen=True)
class _LeftToPython:
    encoded: bytes


def _check_groups(frame: RawFrame, pairs: list[tuple[bytes, Any]]) -> None:
    found = extension.groups(frame, _LeftToPython)
    assert [key for key, _ in groupby(key for key, _ in pairs)] == [key for key, _ in found]
    values = [(key, value) for key, group in found for value in group]
    for (key, expected), (group, value) in zip(pairs, values, strict=True):
        assert key == group
        if isinstance(value, _LeftToPython):
            assert expected == value.encoded
        else:  # True is not 1, nor -0.0 0.0
            assert repr(unpack_value(expected)) == repr(value)


def _check_rows(frame: RawFrame, pairs: list[tuple[bytes, Any]]) -> None:
    found = extension.rows(frame, b"[", b", ", b"]\n")
    if found is None:
        assert frame[0] != INTEGERS or not all(key[:1] == bytes([STR_TAG]) for key, _ in pairs)
        return
    for row, (key, packed) in zip(found[0].split(b"\n"), [*pairs, (b"", 0)], strict=True):
        try:
            expected = [json_key(decode_key(key)), jsonable(unpack_value(packed))]
        except Exception:  # noqa: BLE001 - no key or value: Python refuses it later
            continue
        assert json.loads(row) == expected


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _ascend(keys: list[bytes]) -> bool:
    return all(one <= other for one, other in pairwise(keys))


def _lower(word: bytes) -> bytes:
    return word.lower() if word.isascii() else word


def _raises(kind: type[Exception], use: Callable[[], object]) -> bool:
    try:
        use()
    except kind:
        return True
    raise AssertionError(f"no {kind.__name__}")


def seeds() -> Iterator[bytes]:
    """Return inputs for every target, with real frames for those that read frames."""
    pairs: list[tuple[Any, Any]] = [
        (f"key {number:03}" * (1 + number % 3), number - 5) for number in range(40)
    ]
    encoded = [(encode_key(key), value) for key, value in pairs]
    others = [
        (encode_key((key, 1)), encode_value([value, "text", None, 1.5])) for key, value in pairs[:9]
    ]
    frames = [frame for some in (encoded, encoded[:1], others) for frame in _written(sorted(some))]
    for kind, count, payload in frames:
        yield bytes([0, kind]) + count.to_bytes(4, "little") + payload
        head = bytes([kind]) + count.to_bytes(2, "little") + len(payload).to_bytes(2, "little")
        yield b"\1" + head + payload
        yield b"\1" + head + payload + head + payload
    quantiles = [[[1.5, 2.0], [], []], [[7], [1, 1 << 40], [2, 3]]]
    spreads = [[2, 80, 3 << 100, 5 << 150], [9, 0, -5, 7], [1, 3, -(1 << 70), 1 << 200]]
    for at, states in ((6, quantiles), (8, spreads)):
        for state, kind, results in product(states, (at, at + 1), (0, 1)):
            ((_, _, payload),) = _written([(b"a", encode_value(state)), (b"b", b"\xc0")])
            yield bytes([8, 1, kind, results, 1, 0, 2]) + payload
    texts = [
        b"It's a TRUTH universally acknowledged,\n",
        "Straße an der Isar – αβγΣ".encode(),
        b"a" * 200,
        b"x'" * 9,
    ]
    for text in texts:
        yield b"\2\3" + b"".join(
            len(each).to_bytes(2, "little") + each + b"\1" for each in (text, texts[0], text)
        )
        yield b"\5" + text
    for rows in (b"a,b,c\n", b'"a\n""",,"c"\r\n', b"1;2;3", b"a,b\n", b"\n\r\n'a;',b,c\r"):
        yield from (bytes([6, marks & 1, marks >> 1]) + rows for marks in range(6))
    for operation in range(7):
        run = b"".join(
            bytes([len(key)]) + key + (value % 256).to_bytes(8, "little")
            for key, value in encoded[:5]
        )
        yield bytes([3, operation, 3]) + b"".join(
            bytes([number, shape]) + run for number, shape in enumerate(b"\xc5\x45")
        )
    for operation in range(5):
        for ways in range(4):
            some = b"".join(
                bytes([128 + len(key) % 21]) + key.encode()[: len(key) % 21] + b"\2"
                for key, _ in pairs[:30]
            )
            yield bytes([4, operation, ways, 0, 16, ways & 1, ways]) + bytes([29]) + some + b"\0"


def _written(pairs: list[tuple[bytes, Any]]) -> Iterator[RawFrame]:
    file = io.BytesIO()
    writer = BlockWriter(file)
    writer.write(pairs)
    yield from BlockReader(io.BytesIO(file.getvalue()), writer.length, "seed").raw_frames()
