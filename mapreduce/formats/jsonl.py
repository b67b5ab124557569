"""JSON Lines: one JSON value (RFC 8259) for each line that begins in the byte range.

An integer stays exact, whatever its size. What JSON does not define is refused, although many
parsers accept it: NaN, Infinity, a number beyond float, half a surrogate pair, bytes that are not
UTF-8.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from typing import Any, NoReturn

import msgspec

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import BadRecord, ReadRange, RecordBatch
from mapreduce.formats.decoding import Decoder, transcoded
from mapreduce.formats.json_columns import NamedFields, WrongColumn
from mapreduce.formats.limits import LIMITS, Limits
from mapreduce.formats.text import BOM, line_blocks
from mapreduce.formats.undecoded import Undecoded
from mapreduce.formats.unpacked import streamed
from mapreduce.input_formats import JsonLines
from mapreduce.input_formats.encodings import Encoding, encoding_of
from mapreduce.wire.messages import ByteRange

_BLANK = b" \t\r"
_RECORD_SHOWN = 200

# the fast parser; json is used only for lines that it refuses
_decode = msgspec.json.Decoder().decode


class JsonLinesReader:
    """Lines of JSON. Arguments and errors are those of the `Reader` protocol.

    Args:
        form: the encoding.
        limits: the longest line.
        lenient: yield a line that is not JSON as a `BadRecord`, in place of its value.
    """

    undecoded = Undecoded()

    def __init__(
        self, form: JsonLines | None = None, limits: Limits = LIMITS, *, lenient: bool = False
    ) -> None:
        self._form = form or JsonLines()
        self._limits = limits
        self._lenient = lenient
        self._fields = NamedFields(self._form.columns) if self._form.columns else None

    def batches(self, byte_range: ByteRange, read: ReadRange) -> Iterator[RecordBatch]:
        """Yield batches of parsed lines."""
        code, whole = encoding_of(self._form.encoding), self._form.transcoded
        source = byte_range.source
        unpacked = streamed(
            byte_range,
            read,
            self._limits,
            encoding=code,
            transcode=partial(_in_utf8, whole, source) if whole else None,
        )
        name = "utf-8" if whole else code.name
        for block in line_blocks(byte_range, read, self._limits, unpacked):
            offset = block.position + byte_range.source_offset
            values = self._values(block.data, offset, source, name)
            yield RecordBatch(block.start, block.length, values, block.data, offset)

    def _values(
        self, block: bytes, at: int, source: str, encoding: str
    ) -> Iterator[tuple[int, Any]]:
        """Yield the (offset, value) of each line that is not blank; the block begins at `at`."""
        decoder = None
        if encoding != "utf-8":
            lenient = self._lenient
            decoder = Decoder(encoding, "strict", source, Undecoded(), lenient=lenient)
        decode = _decode if self._fields is None else self._fields.row
        # the fields that are not named are not decoded, so that their bytes are looked at here
        unsure = self._fields is not None and decoder is None and not block.isascii()
        for raw in block.split(b"\n"):
            line = raw.removeprefix(BOM) if at == 0 else raw
            text = decoder.text(line, at) if decoder and line else None
            line = text.encode("utf-8") if isinstance(text, str) else line
            if isinstance(text, BadRecord):
                yield at, text
            elif line.strip(_BLANK):
                try:
                    if unsure:
                        line.decode("utf-8")
                    value = decode(line)
                except (msgspec.MsgspecError, ValueError, RecursionError):
                    value = self._exact_or_bad(line, TextPlace(source, at))
                yield at, value
            at += len(raw) + 1

    def _exact_or_bad(self, line: bytes, place: TextPlace) -> Any:
        try:
            # lines that msgspec refuses may still be JSON: large integers, for example
            value = _exact(line, place)
            return value if self._fields is None else _named(self._fields, value, line, place)
        except RecordError as exc:
            if not self._lenient:
                raise
            return BadRecord(line, exc)


def _named(fields: NamedFields, value: Any, line: bytes, place: TextPlace) -> dict[str, Any]:
    try:
        return fields.checked(value)
    except WrongColumn as exc:
        raise RecordError(
            f"a line does not have the columns of the job: {exc}. Correct the line, or the types "
            "in JsonLines(columns={...})",
            place=place,
            record=repr(line[:_RECORD_SHOWN])[:_RECORD_SHOWN],
        ) from exc


def _in_utf8(encoding: Encoding, source: str, blocks: Iterator[bytes]) -> Iterator[bytes]:
    return transcoded(blocks, encoding, "strict", source, Undecoded())


def _exact(line: bytes, place: TextPlace) -> Any:
    """Return the value of a line that msgspec refuses: some of its versions limit integers."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse, parse_float=_float)
        # Python's parser accepts half a surrogate pair; encoding the value as UTF-8 refuses it
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as exc:
        raise _error("it holds half a surrogate pair, not a character", line, place) from exc
    except UnicodeDecodeError as exc:
        raise _error(
            f"it is not UTF-8 ({exc.reason} at its byte {exc.start})", line, place
        ) from exc
    except RecursionError as exc:  # its message differs between versions of Python
        raise _error("its values are nested too deeply", line, place) from exc
    except ValueError as exc:
        raise _error(str(exc).partition("; use sys.")[0], line, place) from exc
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number; write null")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:40]} is too large for a float; write it as text")
    return number


def _error(cause: str, line: bytes, place: TextPlace) -> RecordError:
    return RecordError(
        f"a line is not JSON: {cause}. Each line must be one whole JSON value in UTF-8; correct "
        "it, or read the input as Text() and parse it in map",
        place=place,
        record=repr(line[:_RECORD_SHOWN])[:_RECORD_SHOWN],
    )
