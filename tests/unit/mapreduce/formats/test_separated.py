"""CSV equals Python's csv module on the whole object, for any cuts, and broken rows are refused."""

from __future__ import annotations

import codecs
import csv
import io
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapreduce.check.reference_formats import plain_records
from mapreduce.errors import RecordError
from mapreduce.formats.base import BadRecord
from mapreduce.formats.limits import Limits
from mapreduce.formats.separated import CsvReader, marked
from mapreduce.formats.text import TAIL_BYTES
from mapreduce.input_formats import Compression, Csv
from tests.unit.mapreduce.formats.pieces import SOURCE, batches_of, pieces_of, ranges_of, records_of
from tests.unit.mapreduce.formats.test_compression import PACK, compressions

Records = list[tuple[int, Any]]

LISTS = Csv(header=False)
cuts = st.lists(st.integers(0, 1 << 30), max_size=15)
fields = st.one_of(
    st.text(alphabet='a,;"\n\ré\U0001f600 \x00\u2028', max_size=6),
    st.sampled_from(["", "plain", '"', '""', "\n", "\r\n", '","', '"\n"', "\ufeff", "x" * 50]),
)


@dataclass(frozen=True)
class Written:
    """Rows as bytes, with any quotes, line ends, blank lines and byte order mark."""

    rows: list[list[str]]
    content: bytes


@st.composite
def written(draw: st.DrawFn, form: Csv, names: list[str] | None = None) -> Written:
    """Return rows of any fields and one width, below a header if names are given."""
    widths = st.just(len(names)) if names else st.integers(1, 4)
    row = widths.flatmap(lambda width: st.lists(fields, min_size=width, max_size=width))
    rows = ([names] if names else []) + draw(st.lists(row, max_size=8))
    ends = st.sampled_from(["\n", "\r\n"])
    text = "\ufeff" if draw(st.booleans()) else ""
    for number, values in enumerate(rows):
        last = number == len(rows) - 1
        if number:
            text += draw(st.sampled_from(["", "", "\n", "\r\n", "\n\n"]))
        text += form.delimiter.join(
            _field(value, form, values, always=draw(st.booleans())) for value in values
        )
        text += "" if last and draw(st.booleans()) else draw(ends)
    return Written(rows, text.encode())


def _field(value: str, form: Csv, row: list[str], *, always: bool) -> str:
    # a row of one empty field would be a blank line
    if (
        always
        or row == [""]
        or any(char in value for char in f'"\r\n{form.delimiter}')
        or value.startswith("\ufeff")
    ):
        return '"' + value.replace('"', '""') + '"'
    return value


def plain_rows(content: bytes, form: Csv) -> list[list[str]]:
    """Return the rows by Python's csv module."""
    text = content.removeprefix(codecs.BOM_UTF8).decode()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True)
    return [row for row in rows if row]


def read(
    content: bytes, form: Csv, places: Sequence[int] = (), block_bytes: int = 1 << 20
) -> Records:
    """Return the records of all pieces, planned as in the split stage."""
    ranges = ranges_of(content, block_bytes)
    return records_of(CsvReader(form), marked(pieces_of(content, form, places), ranges), ranges)


@given(written(LISTS), cuts, st.integers(1, 40))
@example(Written([['a"\n"b', ""], [""]], b'"a""\n""b",\n""'), list(range(16)), 1)
@example(Written([["\n"], ["\n"]], b'"\n"\r\n"\n"\r\n'), list(range(12)), 2)
@example(Written([["a"]], b"\xef\xbb\xbf\n\na\r"), [1, 2, 3, 4, 5, 6], 1)
def test_rows_without_header(table: Written, places: list[int], block_bytes: int) -> None:
    """The rows of all pieces equal those of the whole object, and each begins at its offset."""
    found = read(table.content, LISTS, places, block_bytes)
    assert table.rows == plain_rows(table.content, LISTS)
    assert table.rows == [row for _, row in found]
    for offset, row in found:
        assert row == plain_rows(table.content[offset:], LISTS)[0]


@pytest.mark.parametrize(
    "delimiter", [",", ";", "\t", "§", "|", "\U0001f600", "^", "]", "-", "\\", " "]
)
@given(data=st.data(), places=cuts, block_bytes=st.integers(1, 40))
def test_rows_with_header(
    delimiter: str, data: st.DataObject, places: list[int], block_bytes: int
) -> None:
    """With a header rows are dicts, and no piece yields the header as a row."""
    form = Csv(delimiter=delimiter)
    table = data.draw(written(form, ["id", 'a "name"\n', f"x{delimiter}y"]))
    names, *rows = plain_rows(table.content, form)
    found = read(table.content, form, places, block_bytes)
    assert [dict(zip(names, row, strict=True)) for row in rows] == [row for _, row in found]
    for offset, row in found:
        assert list(row.values()) == plain_rows(table.content[offset:], form)[0]


def rows_by_rfc_4180(content: bytes) -> Records:
    """Return the rows by RFC 4180, byte by byte; raise ValueError with a broken row's offset."""
    rows: Records = []
    at = 0
    while at < len(content):
        start = at
        row: list[str] = []
        while True:
            value, at = _field_by_rfc_4180(content, at, start)
            row.append(value.decode())
            if content[at : at + 1] != b",":
                break
            at += 1
        end = next((end for end in (b"\r\n", b"\n") if content.startswith(end, at)), b"")
        if not end and content[at:] not in (b"", b"\r"):
            raise ValueError(start)
        if content[start:at]:
            rows.append((start, row))
        at += len(end) or 1
    return rows


def _field_by_rfc_4180(content: bytes, at: int, start: int) -> tuple[bytes, int]:
    value = b""
    if content[at : at + 1] != b'"':
        while content[at : at + 1] not in (b"", b",", b'"', b"\r", b"\n"):
            value, at = value + content[at : at + 1], at + 1
        return value, at
    at += 1
    while True:
        if at >= len(content):
            raise ValueError(start)
        if content.startswith(b'""', at):
            value, at = value + b'"', at + 2
        elif content.startswith(b'"', at):
            return value, at + 1
        else:
            value, at = value + content[at : at + 1], at + 1


@given(st.text(alphabet='ab,""\n\n\r', max_size=40).map(str.encode), cuts, st.integers(1, 9))
@example(b'a,"b\n1,2\n3,"4"\n', [5, 9, 13], 2)
@example(b'a"b\n1\n2\n"\n3\n', [4, 6, 8, 10], 3)
def test_good_and_broken_objects(content: bytes, places: list[int], block_bytes: int) -> None:
    """Any text is read by RFC 4180, or refused at its first broken row, for any cuts."""
    try:
        expected = rows_by_rfc_4180(content)
    except ValueError as exc:
        with pytest.raises(RecordError) as caught:
            read(content, LISTS, (), block_bytes)
        assert f"{SOURCE} at byte {exc}" == caught.value.place
        with pytest.raises(RecordError):
            read(content, LISTS, places, block_bytes)
    else:
        assert expected == read(content, LISTS, places, block_bytes)


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (b"1", "a row has 1 field, but the header names 2"),
        (b"1,2,3", "a row has 3 fields, but the header names 2"),
        (b'"1","2\n",3', "a row has 3 fields, but the header names 2"),
        (b'1,5" disk\n3,"', "a quote inside a field"),
        (b'1,"2"x', "text after a closing quote"),
        (b'1,"2" ', "text after a closing quote"),
        (b'1,"2\n3,"4"', "text after a closing quote"),
        (b'1,"2', "a quote is opened and never closed"),
        (b'1,"2""', "a quote is opened and never closed"),
        (b'1,"', "a quote is opened and never closed"),
        (b"1,2\r3,4", "a carriage return without a line feed"),
        (b"1,2\r", "a carriage return without a line feed"),
    ],
)
@pytest.mark.parametrize("cut", [0, 7, 11])
def test_broken_row(row: bytes, cause: str, cut: int) -> None:
    """Each kind of broken row is refused with its place and text."""
    content = b'id,n\r\n"1",2\n\n' + row + b"\r\n\n5,6\n"
    with pytest.raises(RecordError, match=cause) as caught:
        read(content, Csv(), [cut])
    assert f"{SOURCE} at byte 13" == caught.value.place
    assert caught.value.record.startswith(repr(row.decode())[:-1])


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"a,b,a\n1,2,3\n", "names 'a' twice"),
        (b"a,,c\n1,2,3\n", "column without a name"),
        (b'a,""\n1,2\n', "column without a name"),
        (b"\na,b\n", "column without a name"),
        (b"\xef\xbb\xbf\n", "column without a name"),
        (b'a,b"c\n1,2\n', "a quote inside a field"),
        (b"a,b\r1,2\r", "a carriage return without a line feed"),
    ],
)
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_broken_header(content: bytes, cause: str, compression: Compression | None) -> None:
    """A header that does not name each column once is refused at planning."""
    packed = PACK[compression](content) if compression else content
    with pytest.raises(RecordError, match=cause) as caught:
        marked(pieces_of(packed, Csv(), compression=compression), ranges_of(packed))
    assert f"{SOURCE} at byte 0" == caught.value.place


def test_header_longer_than_a_read() -> None:
    """A header of any length is read whole."""
    names = [f'"column\n{number}"' for number in range(20_000)]
    content = ",".join(names).encode() + b"\n" + b"x\n" * 1_000_000
    (piece,) = marked(pieces_of(content, Csv()), ranges_of(content[: 6 * TAIL_BYTES]))
    assert tuple(name.strip('"') for name in names) == piece.header


@compressions
def test_compressed(compression: Compression) -> None:
    """A compressed object is read unpacked, and counts with its compressed bytes."""
    plain = b'\xef\xbb\xbfid,text\n1,"a\nb"\n\n2,"c"\n'
    content = PACK[compression](plain[:9]) + PACK[compression](plain[9:])
    ranges = ranges_of(content, 3)
    pieces = marked(pieces_of(content, Csv(), compression=compression), ranges)
    expected = [(11, {"id": "1", "text": "a\nb"}), (20, {"id": "2", "text": "c"})]
    assert expected == records_of(CsvReader(Csv()), pieces, ranges)


def test_compressed_nothing() -> None:
    """An object that unpacks to nothing has no row, and its bytes count."""
    content = PACK["xz"](b"")
    pieces = marked(pieces_of(content, Csv(), compression="xz"), ranges_of(content))
    assert [] == records_of(CsvReader(Csv()), pieces, ranges_of(content))


def test_chunk_of_another_object() -> None:
    """A later chunk of a source has no header row, and gives offsets in the source."""
    content = b'1,"a\n"\n2,b\n'
    piece = pieces_of(content, Csv())[0].model_copy(
        update={"header": ("id", "t"), "source_offset": 70}
    )
    (batch,) = batches_of(CsvReader(Csv()), piece, ranges_of(content))
    assert content == batch.data
    assert [(70, {"id": "1", "t": "a\n"}), (77, {"id": "2", "t": "b"})] == list(batch.records)


def test_byte_order_mark_only_at_the_source_start() -> None:
    """A byte order mark is text except at the source's start."""
    content = b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"
    assert [(0, ["a"]), (5, ["\ufeffb"])] == read(content, LISTS, [5])
    chunk = pieces_of(content, LISTS)[0].model_copy(update={"source_offset": 70})
    assert [(70, ["\ufeffa"]), (75, ["\ufeffb"])] == records_of(
        CsvReader(LISTS), [chunk], ranges_of(content)
    )


def test_invalid_utf8_is_replaced_and_counted() -> None:
    """Invalid UTF-8 becomes U+FFFD and is counted; a U+FFFD in the input is not counted."""
    reader = CsvReader(LISTS)
    content = b'a,\xff\n"\xe2\x82",\xef\xbf\xbd\n'
    assert [(0, ["a", "�"]), (4, ["�", "�"])] == records_of(
        reader, pieces_of(content, LISTS), ranges_of(content)
    )
    lost = reader.undecoded
    assert (2, 3, 2, 0) == (lost.replaced, lost.size_bytes, lost.lines, lost.first)


def test_unmarked_piece_is_refused() -> None:
    """A piece without its header raises ValueError."""
    with pytest.raises(ValueError, match="mark it"):
        batches_of(CsvReader(Csv()), pieces_of(b"a\n1\n", Csv())[0], ranges_of(b"a\n1\n"))


def test_long_rows_and_fields() -> None:
    """A field beyond csv's limit, and a row over many pieces, are read at the row's start."""
    long = "x\n" * 200_000
    content = f'a,b\n1,"{long}"\n2,3\n'.encode()
    pieces = marked(
        pieces_of(content, Csv(), range(0, len(content), 9_000)), ranges_of(content, 4096)
    )
    found = records_of(CsvReader(Csv()), pieces, ranges_of(content, 4096))
    assert [(4, {"a": "1", "b": long}), (len(content) - 4, {"a": "2", "b": "3"})] == found
    assert [False] + [True] * 44 == [piece.quoted for piece in pieces]


def test_row_without_end_is_refused() -> None:
    """A quote that is never closed is refused at the limit of a row."""
    content = b'1,2\n3,"4\n' + b"5,6\n" * 1_000_000
    ranges = ranges_of(content, 1 << 16)
    pieces = marked(pieces_of(content, LISTS, [20]), ranges)
    with pytest.raises(
        RecordError, match=r"longer than 1 MiB.*a closing quote is missing.*--task-memory"
    ) as caught:
        records_of(CsvReader(LISTS, Limits(8 << 20)), pieces, ranges)
    assert f"{SOURCE} at byte 4" == caught.value.place


@pytest.mark.parametrize("block_bytes", [1000, 1 << 16, (1 << 20) - 7])
@pytest.mark.parametrize(("length", "fits"), [(1 << 20, True), ((1 << 20) + 1, False)])
def test_the_longest_row(length: int, fits: bool, block_bytes: int) -> None:
    """A row of the limit is read, and one of a byte more is refused, in any blocks."""
    content = b'1,2\n"%b",\n3,4\n' % (b"\n" * (length - 3))
    ranges = ranges_of(content, block_bytes)
    pieces = marked(pieces_of(content, LISTS, [9]), ranges)
    if fits:
        found = records_of(CsvReader(LISTS, Limits(8 << 20)), pieces, ranges)
        assert length - 3 == len(found[1][1][0])
        return
    with pytest.raises(RecordError, match="longer than 1 MiB") as caught:
        records_of(CsvReader(LISTS, Limits(8 << 20)), pieces, ranges)
    assert f"{SOURCE} at byte 4" == caught.value.place


def test_a_header_without_end() -> None:
    """The split stage reads a header no further than the limit of a row."""
    content = b"a," * (3 << 20)
    asked: list[int] = []

    def ranges(start: int, end: int) -> Iterator[bytes]:
        for block in ranges_of(content, 1 << 16)(start, end):
            asked.append(len(block))
            yield block

    with pytest.raises(RecordError, match="a row is longer than 1 MiB"):
        marked(pieces_of(content, Csv()), ranges, Limits(8 << 20))
    assert sum(asked) < 1_300_000


def test_rows_of_another_width_can_be_given_as_bad() -> None:
    """A lenient reader yields rows of another width as bad records in their places, and the others
    unchanged.
    """
    content = b"a,b\n1,2\n3\n4,5,6\n7,8\n"
    ranges = ranges_of(content)
    reader = CsvReader(Csv(), lenient=True)
    found = records_of(reader, marked(pieces_of(content, Csv(), [9]), ranges), ranges)
    assert [4, 8, 10, 16] == [at for at, _ in found]
    assert [b"3\n", b"4,5,6\n"] == [row.data for _, row in found if isinstance(row, BadRecord)]
    assert [{"a": "1", "b": "2"}, {"a": "7", "b": "8"}] == [
        row for _, row in found if not isinstance(row, BadRecord)
    ]


def test_little_is_read_beyond_the_piece() -> None:
    """A row that crosses a piece's end costs one short read beyond it."""
    content = b'1,"a\nb"\n' * 100_000
    asked: list[tuple[int, int]] = []

    def ranges(start: int, end: int) -> Iterator[bytes]:
        asked.append((start, end))
        return ranges_of(content)(start, end)

    piece = pieces_of(content, LISTS, [13, 21])[1].model_copy(update={"quoted": True})
    assert [(16, ["1", "a\nb"])] == [
        found for batch in CsvReader(LISTS).batches(piece, ranges) for found in batch.records
    ]
    assert [(12, 21), (21, 21 + TAIL_BYTES)] == asked


def test_large_object() -> None:
    """Megabytes of rows, cut into pieces, are those that Python's csv reads."""
    chance = random.Random(7)
    values = ["plain", 'qu"ote', "line\nend", "comma,", "", "é" * 9]
    text = io.StringIO(newline="")
    rows = [[str(number), chance.choice(values), chance.choice(values)] for number in range(60_000)]
    csv.writer(text).writerows([["id", "a", "b"], *rows])
    content = text.getvalue().encode()
    found = read(content, Csv(), [chance.randrange(len(content)) for _ in range(9)], 100_000)
    assert rows == [list(row.values()) for _, row in found]


def test_assumption_of_the_oracle() -> None:
    """The plain reader of these tests agrees with Python's csv on what both take."""
    content = b'a,"b""\n"\r\n\n"",\n'
    assert plain_rows(content, LISTS) == [row for _, row in rows_by_rfc_4180(content)]


SAID = st.lists(
    st.sampled_from(
        [
            "a",
            ",",
            ";",
            "\t",
            "\n",
            "\r\n",
            '"',
            "'",
            "\\",
            "#",
            "é",
            "«",
            "x y",
            '"",',
            "«a\n««b«",
            "\\\n",
            "'a\nb'",
        ]
    ),
    max_size=25,
).map("".join)
DIALECTS = st.builds(
    Csv,
    delimiter=st.sampled_from([",", ";", "\t"]),
    header=st.sampled_from([False]),
    encoding=st.sampled_from(["utf-8", "latin-1", "cp1252", "utf-16-le", "cp037", "gb18030"]),
    quoting=st.sampled_from(["minimal", "none"]),
    quote=st.sampled_from(['"', "'", "«"]),
    escape=st.sampled_from([None, "\\", "é"]),
    comment=st.sampled_from([None, "#"]),
    skip=st.sampled_from([0, 1, 2]),
)


@given(DIALECTS, SAID, cuts, st.integers(1, 20), st.sampled_from([None, "gzip"]))
@example(Csv(header=False, escape="\\"), "a\n\\\n", [], 1, None)
@example(Csv(header=False, quote="«"), "«a,b«\n1,2,3\n", [], 20, None)
@example(Csv(header=False, quote="«", escape="é"), "é«,«a\nb«\n1,é\né\n", [], 20, None)
def test_any_marks_and_encodings(
    form: Csv, text: str, places: list[int], block_bytes: int, compression: Compression | None
) -> None:
    """Rows of other quotes, escapes, comments and encodings are those of Python's csv module."""
    content = text.encode(form.encoding)
    packed = PACK[compression](content) if compression else content
    ranges = ranges_of(packed, block_bytes)
    whole = compression is not None or not form.is_cut
    pieces = marked(
        pieces_of(packed, form, [] if whole else places, compression=compression), ranges
    )
    try:
        found = records_of(CsvReader(form), pieces, ranges)
    except RecordError:
        return  # what is refused is refused for any cuts: `test_a_refusal_does_not_depend_on_cuts`
    assert list(plain_records(content, form, ())) == found


@given(DIALECTS, SAID, cuts)
def test_a_refusal_does_not_depend_on_cuts(form: Csv, text: str, places: list[int]) -> None:
    """Whether a file is refused, and otherwise its rows, are the same for any cuts."""
    content = text.encode(form.encoding)
    ranges = ranges_of(content, 7)

    def read(places: list[int]) -> object:
        pieces = marked(pieces_of(content, form, places), ranges)
        try:
            return records_of(CsvReader(form), pieces, ranges)
        except RecordError:
            return "refused"

    if form.is_cut:
        assert read([]) == read(places)


def test_hadoops_tsv() -> None:
    """Without quotes a quote is a character like any other."""
    form = Csv(delimiter="\t", quoting="none", header=("word", "text"))
    content = b'a\t"Oh, God", he thought\nb\t"\r\n'
    expected = [
        (0, {"word": "a", "text": '"Oh, God", he thought'}),
        (content.index(b"b"), {"word": "b", "text": '"'}),
    ]
    for cut in range(len(content)):
        pieces = marked(pieces_of(content, form, [cut]), ranges_of(content))
        assert expected == records_of(CsvReader(form), pieces, ranges_of(content))


def test_a_german_table() -> None:
    """Lines before the header, comments, semicolons and Latin-1 are read as they are meant."""
    form = Csv(delimiter=";", encoding="latin-1", skip=1, comment="#")
    content = 'Stand: 5" Uhr\n# Größe\nName;Größe\n# x;y;z\nJörg;"1;80"\n'.encode("latin-1")
    expected = [{"Name": "Jörg", "Größe": "1;80"}]
    for cut in range(len(content)):
        pieces = marked(pieces_of(content, form, [cut]), ranges_of(content, 3))
        found = records_of(CsvReader(form), pieces, ranges_of(content))
        assert expected == [row for _, row in found]
        assert content.index(b"# x") == pieces[0].body


def test_strict_csv() -> None:
    """With errors="strict" bytes of another encoding are refused with their place."""
    form = Csv(header=False, errors="strict")
    content = b"a,b\nc,\xff\n"
    with pytest.raises(RecordError, match="not text in utf-8") as caught:
        records_of(CsvReader(form), pieces_of(content, form), ranges_of(content))
    assert f"{SOURCE} at byte 6" == caught.value.place
