"""Decode the bytes of one record of text in the input's encoding, and count what is not in it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from mapreduce.errors import RecordError, TextPlace
from mapreduce.formats.base import BadRecord
from mapreduce.formats.undecoded import Undecoded
from mapreduce.input_formats.choices import Errors
from mapreduce.input_formats.encodings import Encoding

BOM = "\ufeff"
_RECORD_SHOWN = 200


class Decoder:
    """Decodes records.

    Args:
        name: Python's name of the encoding, with a byte order if it has one.
        errors: what bytes that are not in the encoding do.
        source: identifies the object in errors.
        undecoded: counts those bytes.
        lenient: return a `BadRecord` for them instead of raising.
    """

    def __init__(
        self,
        name: str,
        errors: Errors,
        source: str,
        undecoded: Undecoded,
        *,
        lenient: bool = False,
    ) -> None:
        self._name = name
        self._strict = errors == "strict"
        self._source = source
        self._undecoded = undecoded
        self._lenient = lenient

    def text(self, data: bytes, offset: int) -> str | BadRecord:
        """Return the text of a record that begins at an offset.

        Raises:
            RecordError: it is not in the encoding, and the errors are strict.
        """
        try:
            text = data.decode(self._name)
        except UnicodeDecodeError as exc:
            if self._strict:
                return self._refused(data, offset, exc)
            text = self._undecoded.other(data, offset, self._name)
        return text.removeprefix(BOM) if offset == 0 else text

    def _refused(self, data: bytes, offset: int, exc: UnicodeDecodeError) -> BadRecord:
        error = RecordError(
            f"a record is not text in {self._name} ({exc.reason} at its byte {exc.start}); write "
            'the encoding that it has, or errors="replace" to read U+FFFD in place of such bytes',
            place=TextPlace(self._source, offset),
            record=repr(data[:_RECORD_SHOWN])[:_RECORD_SHOWN],
        )
        if not self._lenient:
            raise error
        return BadRecord(data, error)


def transcoded(
    blocks: Iterator[bytes], encoding: Encoding, errors: Errors, source: str, undecoded: Undecoded
) -> Iterator[bytes]:
    """Yield a whole file in UTF-8.

    Args:
        blocks: the file in its encoding.
        encoding: the encoding.
        errors: what bytes that are not in it do.
        source: identifies the file in errors.
        undecoded: counts those bytes.

    Raises:
        RecordError: the file has no byte order mark and needs one, or is not in the encoding and
            the errors are strict.
    """
    decoder: codecs.IncrementalDecoder | None = None
    counting = Decoder(encoding.name, errors, source, undecoded)
    at, held = 0, b""
    for block in blocks:
        held += block
        if decoder is None:
            if len(held) < encoding.mark_bytes:
                continue
            name = ordered_name(encoding, held, source)
            decoder = codecs.getincrementaldecoder(name)("replace")
            counting = Decoder(name, errors, source, undecoded)
        # the decoder only tells where the last whole character ends
        decoder.reset()
        decoder.decode(held)
        whole = held[: len(held) - len(decoder.getstate()[0])]
        if whole:
            yield str(counting.text(whole, at)).encode("utf-8")
        at, held = at + len(whole), held[len(whole) :]
    if held:
        yield str(counting.text(held, at)).encode("utf-8")


def ordered_name(encoding: Encoding, head: bytes, source: str) -> str:
    """Return the encoding's name with the byte order of a file; raises `RecordError`."""
    try:
        return encoding.ordered(head)
    except ValueError as exc:
        raise RecordError(f"{source} cannot be read as {encoding.name}: {exc}", place=source) from (
            None
        )
