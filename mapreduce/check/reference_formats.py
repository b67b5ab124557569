"""The records of text, CSV, JSON Lines, fixed-length and WARC files, for the reference run.

Each is read in the simplest way, from the whole content, with nothing of `mapreduce.formats`.
"""

from __future__ import annotations

import csv
import email
import email.policy
import json
import re
import sys
from collections.abc import Collection, Iterator
from typing import Any

from mapreduce.check import reference_avro
from mapreduce.input_formats import (
    Avro,
    Csv,
    FixedLength,
    Format,
    JsonLines,
    Text,
    Warc,
    WarcRecord,
)

Record = tuple[Any, Any]
_BOMS = {
    "utf-16": {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"},
    "utf-32": {b"\xff\xfe\0\0": "utf-32-le", b"\0\0\xfe\xff": "utf-32-be"},
}


def plain_records(content: bytes, form: Format, skip: Collection[object]) -> Iterator[Record]:
    """Yield the records of a file whose keys are not left out.

    Args:
        content: the file, unpacked.
        form: its format.
        skip: keys of records to leave out; these need not have the format.
    """
    if isinstance(form, JsonLines):
        lines = plain_lines(_in_utf8(content, form) if form.transcoded else content, form)
        yield from (
            (offset, _named(json.loads(line), form))
            for offset, line in lines
            if line.strip() and offset not in skip
        )
    elif isinstance(form, Csv):
        yield from _csv_rows(content, form, skip)
    elif isinstance(form, FixedLength):
        for number in range(len(content) // form.length):
            yield number, content[number * form.length : (number + 1) * form.length]
    elif isinstance(form, Avro):
        yield from reference_avro.plain_rows(content) if content else ()
    elif isinstance(form, Warc):
        yield from _web_records(content)
    elif isinstance(form, Text) and not form.is_plain:
        yield from _texts(content, form, skip)
    else:
        yield from plain_lines(content)


def _named(value: Any, form: JsonLines) -> Any:
    """Return the fields of an object that the format names, or the whole value."""
    if form.columns is None:
        return value
    fields = {name: value.get(name) for name in form.columns}
    return {
        name: float(field) if form.columns[name] == "float" and type(field) is int else field
        for name, field in fields.items()
    }


def plain_lines(content: bytes, form: JsonLines | None = None) -> list[tuple[int, str]]:
    """Return the (byte offset, text) of each line of a file."""
    encoding = "utf-8" if form is None or form.transcoded else form.encoding
    lines: list[tuple[int, str]] = []
    offset = 0
    for raw in content.removesuffix(b"\n").split(b"\n") if content else []:
        text = raw.decode(encoding, errors="replace")
        lines.append(
            (offset, text.removesuffix("\r").removeprefix("\ufeff" if offset == 0 else ""))
        )
        offset += len(raw) + 1
    return lines


def _ordered(content: bytes, encoding: str) -> str:
    """Return an encoding with the byte order of the file."""
    marks = _BOMS.get(encoding, {})
    return next((name for mark, name in marks.items() if content.startswith(mark)), encoding)


def _in_utf8(content: bytes, form: Csv | JsonLines) -> bytes:
    text = content.decode(_ordered(content, form.encoding), errors="replace")
    return text.removeprefix("\ufeff").encode("utf-8")


def _texts(content: bytes, form: Text, skip: Collection[object]) -> Iterator[Record]:
    name = _ordered(content, form.encoding)
    delimiter = (form.delimiter or "\n").encode(name)
    unit = next((bits // 8 for bits in (16, 32) if name.startswith(f"utf-{bits}")), 1)
    begin, number = 0, 0
    while begin < len(content):
        end = content.find(delimiter, begin)
        while end % unit and end >= 0:
            end = content.find(delimiter, end + 1)
        end = len(content) if end < 0 else end
        number += 1
        key = number if form.number else begin
        if key not in skip:
            text = content[begin:end].decode(name, errors=form.errors)
            text = text.removeprefix("\ufeff" if begin == 0 else "")
            yield key, text if form.delimiter else text.removesuffix("\r")
        begin = end + len(delimiter)


def _csv_rows(content: bytes, form: Csv, skip: Collection[object]) -> Iterator[Record]:
    encoding = form.encoding
    if form.transcoded:
        content, encoding = _in_utf8(content, form), "utf-8"
    used = len(content) - len(content.removeprefix(b"\xef\xbb\xbf"))
    mark = (form.comment or "").encode(encoding)

    def is_comment(at: int) -> bool:
        return bool(mark) and content.startswith(mark, at)

    for _ in range(form.skip):
        used = content.find(b"\n", used) + 1 or len(content)
    while is_comment(used):
        used = content.find(b"\n", used) + 1 or len(content)
    rows = _rows_from(content, used, encoding, form)
    header: Any = form.header
    if form.header is True:
        header = next(rows, (0, []))[1]
    for start, row in rows:
        if row and start not in skip and not is_comment(start):
            # the first row of a file without a header begins with its byte order mark
            at = 0 if start == 3 and content.startswith(b"\xef\xbb\xbf") else start
            named = dict(zip(header, row, strict=True)) if header else {}
            if form.columns is not None:
                named = {name: named[name] for name in form.columns}
            yield at, named if header else row


def _rows_from(content: bytes, used: int, encoding: str, form: Csv) -> Iterator[Record]:
    """Yield the (offset, fields) of all rows from an offset on."""
    if form.quoting == "none" and form.escape is None:
        while used < len(content):
            end = content.find(b"\n", used)
            end = len(content) if end < 0 else end
            line = content[used:end].decode(encoding, errors=form.errors).removesuffix("\r")
            yield used, line.split(form.delimiter) if line else []
            used = end + 1
        return

    def lines() -> Iterator[str]:
        nonlocal used
        for raw in re.findall(rb"[^\n]*\n|[^\n]+", content[used:]):
            used += len(raw)
            yield raw.decode(encoding, errors=form.errors)

    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(
        lines(),
        delimiter=form.delimiter,
        quotechar=form.quote,
        escapechar=form.escape,
        quoting=csv.QUOTE_NONE if form.quoting == "none" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    start = used
    for row in reader:
        yield start, row
        start = used


def _web_records(content: bytes) -> Iterator[Record]:
    at = 0
    while found := re.compile(rb"(?:\r?\n)*").match(content, at):
        at = found.end()
        head = re.compile(rb"WARC/[^\n]*\n(.*?\n)\r?\n", re.DOTALL).match(content, at)
        if head is None:
            return
        parsed = email.message_from_bytes(head[1], policy=email.policy.compat32)
        headers = {name.lower(): re.sub(r"\r?\n\s+", " ", value) for name, value in parsed.items()}
        end = head.end() + int(headers["content-length"])
        yield (
            at,
            WarcRecord(
                headers.get("warc-type", ""),
                headers.get("warc-target-uri", "").strip("<>"),
                headers.get("warc-date", ""),
                headers,
                content[head.end() : end],
            ),
        )
        at = end
