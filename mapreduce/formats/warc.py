"""Web archives (ISO 28500): WARC files of crawlers, and WET and WAT files of Common Crawl.

A record is a version line, header lines, an empty line, as many bytes as `Content-Length` says, and
two line ends. Where a record begins follows only from the one before it, because the bytes of a
page may look like a header.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import ReadRange, RecordBatch
from mapreduce.formats.limits import LIMITS, Limits, too_long
from mapreduce.formats.streams import whole_stream
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats import WarcRecord
from mapreduce.wire.messages import ByteRange

_HEADER_LIMIT = 1 << 20
_SHOWN = 200


class WarcReader:
    """Records as (offset, `WarcRecord`). Arguments and errors are those of the `Reader` protocol.

    Args:
        limits: the longest record.
    """

    undecoded = Undecoded()

    def __init__(self, limits: Limits = LIMITS) -> None:
        self._limits = limits

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield one batch of all records, which are read as they are mapped."""
        file = whole_stream(byte_range, read, self._limits)
        records = _Archive(file, byte_range.source, self._limits.record_bytes).records()
        yield RecordBatch(0, byte_range.size, records)


class _Archive:
    """The records of one file, and where the next one begins."""

    def __init__(self, file: BinaryIO, source: str, limit_bytes: int) -> None:
        self._file = file
        self._source = source
        self._limit_bytes = limit_bytes
        self._at = 0

    def records(self) -> Iterator[tuple[int, WarcRecord]]:
        """Yield the records."""
        while (line := self._line()) and (begin := self._at - len(line)) >= 0:
            if not line.strip(b"\r\n"):  # between records
                continue
            if not line.startswith(b"WARC/"):
                raise self._error("a record does not begin with WARC/ and a version", begin, line)
            yield begin, self._record(begin)

    def _record(self, begin: int) -> WarcRecord:
        headers = self._headers(begin)
        length = headers.get("content-length", "")
        if not length.isdecimal():
            raise self._error(f"a record has no length, but Content-Length: {length!r}", begin)
        if int(length) > self._limit_bytes:
            raise too_long(
                "a record",
                self._limit_bytes,
                "Leave such pages out of the archive",
                place=TextPlace(self._source, begin),
            )
        content = self._file.read(int(length))
        self._at += len(content)
        if len(content) < int(length):
            raise self._error("the file ends within a record: it was cut off", begin)
        return WarcRecord(
            type=headers.get("warc-type", ""),
            uri=headers.get("warc-target-uri", "").removeprefix("<").removesuffix(">"),
            date=headers.get("warc-date", ""),
            headers=headers,
            content=content,
        )

    def _headers(self, begin: int) -> dict[str, str]:
        headers: dict[str, str] = {}
        name, size = "", 0
        while line := self._line():
            size += len(line)
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not text:
                return headers
            if size > _HEADER_LIMIT:
                raise self._error("the headers of a record are longer than 1 MiB", begin)
            if text[0] in " \t" and name:  # a header that goes on
                headers[name] += " " + text.strip()
                continue
            name, colon, value = text.partition(":")
            if not colon:
                raise self._error("a header of a record has no colon", begin, line)
            name = name.strip().lower()
            headers[name] = value.strip()
        raise self._error("the file ends within the headers of a record: it was cut off", begin)

    def _line(self) -> bytes:
        line = self._file.readline(_HEADER_LIMIT + 1)
        self._at += len(line)
        return line

    def _error(self, cause: str, at: int, line: bytes = b"") -> RecordError:
        return RecordError(
            f"{cause}. Is it a WARC, WET or WAT file? Write it again from its source, or read it "
            "with WholeFile()",
            place=TextPlace(self._source, at),
            record=repr(line[:_SHOWN])[:_SHOWN] if line else "",
        )
