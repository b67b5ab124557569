"""For any cuts each record is read once, and lines have the text of a plain reader."""

from __future__ import annotations

import codecs
import io
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.base import ReadRange
from mapreduce.formats.limits import Limits
from mapreduce.formats.text import BATCH_BYTES, TAIL_BYTES, LineDecoder, TextReader, owned_blocks
from mapreduce.input_formats import Compression, Text
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK

fragments = st.sampled_from(
    [
        *(b"\n", b"\n", b"\n\n\n", b"\r\n", b"\r", b"a", b"two words", b"x" * 300),
        *("é".encode(), b"\xef\xbb\xbf", "\ufffd".encode(), b"\xff", b"\x00", b"\xe2\x82"),
    ]
)
contents = st.binary(max_size=200) | st.lists(fragments, max_size=40).map(b"".join)


def reader(
    content: bytes, block_bytes: int, asked: list[tuple[int, int]] | None = None
) -> ReadRange:
    """Return a function that reads ranges of `content` in blocks, and records its arguments."""

    def read(start: int, end: int) -> Iterator[bytes]:
        assert 0 <= start < end <= len(content)
        if asked is not None:
            asked.append((start, end))
        for at in range(start, end, block_bytes):
            yield content[at : min(at + block_bytes, end)]

    return read


def plain_records(content: bytes) -> list[tuple[int, bytes]]:
    """Return the (offset, bytes) of each record, by Python's own file reading."""
    records, at = [], 0
    for raw in io.BytesIO(content):
        records.append((at, raw))
        at += len(raw)
    return records


def ranges(content: bytes, cuts: list[int]) -> list[tuple[int, int]]:
    """Return consecutive ranges that cover the content, cut at `cuts`."""
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return list(pairwise(edges))


@given(contents, st.lists(st.integers(0, 1 << 30), max_size=63), st.integers(1, 64))
@example(b"\n" * 9, list(range(9)), 1)
@example(b"no line feed at all", list(range(19)), 3)
@example(b"a\nb", [1], 1)
@example(b"a\nb", [2], 1)
@example(b"a\r\nb\r\n", [2, 3], 1)
def test_each_record_is_in_one_range(content: bytes, cuts: list[int], block_bytes: int) -> None:
    """A range has exactly the records that begin in it."""
    read = reader(content, block_bytes)
    records = plain_records(content)
    whole: list[bytes] = []
    for start, end in ranges(content, cuts):
        blocks = list(owned_blocks(read, start, end, len(content)))
        assert b"".join(raw for at, raw in records if start <= at < end) == b"".join(
            block for _, block in blocks
        )
        for position, block in blocks:
            assert content[position : position + len(block)] == block
            assert block.endswith(b"\n") or position + len(block) == len(content)
        whole += [block for _, block in blocks]
    assert content == b"".join(whole)


@pytest.mark.parametrize("content", [b"", b"\n", b"a", b"\x00", b"\r\n", b"a\n"])
def test_tiny_objects(content: bytes) -> None:
    """An empty object has no record, and one of a byte or two has one."""
    blocks = list(owned_blocks(reader(content, 1), 0, len(content), len(content)))
    assert ([(0, content)] if content else []) == blocks


@pytest.mark.parametrize("feeds", [True, False])
def test_line_longer_than_ranges_and_tail(feeds: bool) -> None:
    """A line that spans many ranges is a record of the range in which it begins."""
    line = (
        b"first\n" + bytes(range(11, 256)) * (TAIL_BYTES * 7 // 245) + (b"\nlast" if feeds else b"")
    )
    edges = [*range(0, len(line), 5_000), len(line)]
    owned = [
        b"".join(block for _, block in owned_blocks(reader(line, 4096), start, end, len(line)))
        for start, end in pairwise(edges)
    ]
    assert len(line) > 7 * TAIL_BYTES - 300
    assert line.removesuffix(b"last") == owned[0]
    assert (b"last" if feeds else b"") == b"".join(owned[1:])


@pytest.mark.parametrize("length", [1, 7, BATCH_BYTES - 1, BATCH_BYTES, BATCH_BYTES + 1])
def test_large_blocks_become_small_batches(length: int) -> None:
    """Large blocks become batches that fit the processor's cache, and no line is cut."""
    content = (b"x" * (length - 1) + b"\n") * (5 * BATCH_BYTES // length + 1)
    blocks = [
        block
        for _, block in owned_blocks(reader(content, len(content)), 0, len(content), len(content))
    ]
    assert content == b"".join(blocks)
    assert max(map(len, blocks)) <= max(BATCH_BYTES, length)
    assert all(block.endswith(b"\n") for block in blocks)


def test_little_is_read_beyond_the_range() -> None:
    """A record that crosses a range's end costs one short read beyond it."""
    content = b"x" * 99 + b"\n" + b"y" * 99 + b"\n" + b"z\n" * 1_000_000
    asked: list[tuple[int, int]] = []
    blocks = list(owned_blocks(reader(content, 1 << 20, asked), 0, 150, len(content)))
    assert content[:200] == b"".join(block for _, block in blocks)
    assert [(0, 150), (150, 150 + TAIL_BYTES)] == asked


def test_range_that_ends_with_a_record_reads_no_further() -> None:
    """A range that ends with a line feed is not read further."""
    asked: list[tuple[int, int]] = []
    list(owned_blocks(reader(b"ab\ncd\nef\n", 100, asked), 3, 6, 9))
    assert [(2, 6)] == asked


def plain_lines(content: bytes) -> tuple[list[tuple[int, str]], int]:
    """Return the (offset, text) of each line by the definition, and the number of invalid
    sequences.
    """
    replaced = 0

    def counting(error: UnicodeError) -> tuple[str, int]:
        nonlocal replaced
        replaced += 1
        answer: tuple[str, int] = codecs.replace_errors(error)  # type: ignore[assignment]
        return answer

    codecs.register_error("counting", counting)
    lines = []
    for at, raw in plain_records(content):
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        line = line.removeprefix(codecs.BOM_UTF8) if at == 0 else line
        lines.append((at, line.decode("utf-8", "counting")))
    return lines, replaced


@given(contents, st.lists(st.integers(0, 1 << 30), max_size=20), st.integers(1, 64))
@example(b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [3, 5], 1)
@example(b"\xef\xbb\xbf", [1, 2], 1)
@example("\ufffd\n".encode() + b"\xff\xfe\n\xe2\x82", [4], 7)
@example(b"\r\r\n\n\r", [1], 2)
@example("a\ufffdb".encode() + b"\xff\xff" + "\ufffd\n".encode(), [4], 7)
def test_lines(content: bytes, cuts: list[int], block_bytes: int) -> None:
    """For any cuts lines, offsets and the count of invalid UTF-8 equal a plain reader's."""
    decoder = LineDecoder()
    lines = [
        line
        for start, end in ranges(content, cuts)
        for position, block in owned_blocks(reader(content, block_bytes), start, end, len(content))
        for line in decoder.lines(position, block)
    ]
    assert plain_lines(content) == (lines, decoder.undecoded.replaced)


def test_byte_order_mark_only_at_the_source_start() -> None:
    """A later chunk of a source keeps a byte order mark, and gives offsets in the source."""
    block = codecs.BOM_UTF8 + b"a\nb\n"
    assert [(0, "a"), (5, "b")] == list(LineDecoder().lines(0, block, 0))
    assert [(70, "\ufeffa"), (75, "b")] == list(LineDecoder().lines(0, block, 70))


def test_nuls_and_other_line_ends_are_text() -> None:
    """Only a line feed ends a line; NUL and the separators of `str.splitlines` are text."""
    text = "a\x00b\x0bc\x0cd\x1ce\x85f\u2028g\rh"
    assert [(0, text)] == list(LineDecoder().lines(0, text.encode()))


LIMITS = Limits(8 << 20)  # a line may have 1 MiB


@pytest.mark.parametrize("block_bytes", [1000, 1 << 16, (1 << 20) - 7, 1 << 22])
@pytest.mark.parametrize("feed", [b"\n", b""])
@pytest.mark.parametrize("cut", [0, 6, 500_000])
def test_the_longest_line(block_bytes: int, feed: bytes, cut: int) -> None:
    """A line of the limit is read, and one of a byte more is refused, for any blocks and cuts."""
    longest = b"first\n" + b"x" * (1 << 20) + feed
    found = records_of(
        TextReader(LIMITS), pieces_of(longest, Text(), [cut]), ranges_of(longest, block_bytes)
    )
    assert [(0, 5), (6, 1 << 20)] == [(at, len(line)) for at, line in found]
    longer = b"first\n" + b"x" * ((1 << 20) + 1) + feed
    with pytest.raises(
        RecordError, match=r"a line is longer than 1 MiB.*WholeFile.*--task-memory"
    ) as caught:
        records_of(
            TextReader(LIMITS), pieces_of(longer, Text(), [cut]), ranges_of(longer, block_bytes)
        )
    assert (f"{SOURCE} at byte 6", repr(b"x" * 197)[:-1]) == (
        caught.value.place,
        caught.value.record[:199],
    )


@pytest.mark.parametrize("compression", ["gzip", "bzip2", "xz", "zstd"])
def test_a_bomb_of_one_line(compression: Compression) -> None:
    """A compressed line is unpacked no further than the limit of a line and one block."""
    packed = PACK[compression](bytes(64 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(RecordError, match="a line is longer than 1 MiB") as caught:
            records_of(
                TextReader(LIMITS),
                pieces_of(packed, Text(), compression=compression),
                ranges_of(packed, 1 << 16),
            )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert f"{SOURCE} at byte 0" == caught.value.place
    assert peak < 40 << 20
