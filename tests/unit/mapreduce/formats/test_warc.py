"""Web archives: records as ISO 28500 writes them, and what is refused."""

from __future__ import annotations

import gzip

import pytest

from mapreduce.check.reference_formats import plain_records
from mapreduce.errors import RecordError
from mapreduce.formats.limits import Limits
from mapreduce.formats.warc import WarcReader
from mapreduce.input_formats import Compression, Warc, WarcRecord
from tests.unit.mapreduce.formats.pieces import SOURCE, pieces_of, ranges_of, records_of


def record(kind: str, uri: str, content: bytes, *more: str, end: str = "\r\n") -> bytes:
    """Return a record of an archive."""
    headers = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {uri}",
        "WARC-Date: 2026-01-31T12:00:00Z",
        *more,
        f"Content-Length: {len(content)}",
    ]
    return (end.join(headers) + end + end).encode() + content + (end + end).encode()


HTTP = "Content-Type: application/http; msgtype=response"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>\xff\r\n\r\nWARC/1.0\r\n</p>"
RECORDS = [
    record("warcinfo", "", b"software: x\r\n", "Content-Type: application/warc-fields"),
    record("response", "<http://a/>", PAGE, HTTP),
    record("conversion", "http://b/", "Grüße\n".encode(), "Content-Type: text/plain"),
    record("metadata", "http://c/", b"", "X-Long: one", "\ttwo", end="\n"),
]
ARCHIVE = b"".join(RECORDS)


def read(content: bytes, compression: Compression | None = None) -> list[tuple[int, WarcRecord]]:
    """Return the records of a file."""
    pieces = pieces_of(content, Warc(), compression=compression)
    return records_of(WarcReader(), pieces, ranges_of(content, 7))


def test_records_of_an_archive() -> None:
    """Each record has its offset, type, address, headers and exact content."""
    found = read(ARCHIVE)
    starts = [sum(map(len, RECORDS[:number])) for number in range(4)]
    assert starts == [offset for offset, _ in found]
    records = [each for _, each in found]
    assert ["warcinfo", "response", "conversion", "metadata"] == [each.type for each in records]
    assert ["", "http://a/", "http://b/", "http://c/"] == [each.uri for each in records]
    assert records[1].content == PAGE
    assert records[1].body == b"<p>\xff\r\n\r\nWARC/1.0\r\n</p>"
    assert records[1].text.startswith("<p>\ufffd")
    assert records[2].text == "Grüße\n"
    assert records[3].headers["x-long"] == "one two"


def test_the_reference_reads_the_same() -> None:
    """The reader of the reference run, which shares no code, gives equal records."""
    assert list(plain_records(ARCHIVE, Warc(), ())) == read(ARCHIVE)


def test_one_gzip_member_for_each_record() -> None:
    """A .warc.gz as crawlers write it has the records of its plain form."""
    packed = b"".join(map(gzip.compress, RECORDS))
    assert read(ARCHIVE) == read(packed, "gzip")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"no archive\n", "does not begin with WARC/"),
        (RECORDS[1][:-30], "ends within a record"),
        (b"WARC/1.0\r\nWARC-Type: x\r\n", "ends within the headers"),
        (b"WARC/1.0\r\nno header\r\n\r\n", "has no colon"),
        (b"WARC/1.0\r\nContent-Length: -1\r\n\r\n", "Content-Length: '-1'"),
        (b"WARC/1.0\r\nX: " + b"x" * (1 << 20) + b"\r\n\r\n", "longer than 1 MiB"),
    ],
)
def test_what_is_no_archive(content: bytes, cause: str) -> None:
    """A file that is none, or was cut off, is refused with the place of the record."""
    with pytest.raises(RecordError, match=cause) as caught:
        read(RECORDS[0] + content)
    assert f"{SOURCE} at byte {len(RECORDS[0])}" == caught.value.place


def test_a_record_beyond_the_limit() -> None:
    """A record that a task cannot hold is refused before it is read."""
    content = b"WARC/1.0\r\nContent-Length: 99999999\r\n\r\n"
    reader = WarcReader(Limits(8 << 20))
    with pytest.raises(RecordError, match="a record is longer than 1 MiB"):
        records_of(reader, pieces_of(content, Warc()), ranges_of(content))
