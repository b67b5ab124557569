"""Recognise bytes that are not text by a format's whole signature, never by letters that also begin
texts.

Each entry names the format and the next step. A refusal must be certain: bytes that are not
recognised for certain are read as text, and those that are not UTF-8 are counted.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from mapreduce.errors import RecordError
from mapreduce.formats.compression import compression_of
from mapreduce.input_formats.encodings import UTF_8, Encoding

HEAD_BYTES = 4096
"""How many of the first bytes are examined."""
TAIL_BYTES = 1024
"""How many of the last bytes are examined."""

_ARCHIVE = "it holds files: unpack it, and name the files or their folder"
_PACKED = (
    "decompress it first, or compress it with gzip, bzip2, xz or zstd, which are decompressed "
    "as they are read"
)
_TABLE = "write it as Parquet, CSV or JSON Lines, and name that format in the job's input_format"
_BINARY = "it is not text: a job with input_format = WholeFile() can read it"
_DOCUMENT = "extract its text first, or read its bytes with input_format = WholeFile()"


@dataclass(frozen=True, slots=True)
class Kind:
    """The name of a format, and the next step; FILE in it stands for the object."""

    name: str
    advice: str


@dataclass(frozen=True, slots=True)
class Ends:
    """The first and last bytes of an object, and its size; a stream has neither last bytes nor
    size.
    """

    head: bytes
    tail: bytes = b""
    size: int | None = None

    @property
    def is_whole(self) -> bool:
        """True if the head is the whole object."""
        return self.size is not None and self.size <= len(self.head)


_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\t\n\r")

_Sign = tuple[Kind, Callable[[Ends], bool]]


def refuse_what_is_no_text(
    ends: Ends, name: str, packed_in: str | None = None, encoding: Encoding = UTF_8
) -> None:
    """Raise an error if bytes are certainly not text.

    Args:
        ends: the object's bytes, or its decompressed bytes.
        name: identifies the object in the error.
        packed_in: the compression of the object, if any.
        encoding: that the text should have.

    Raises:
        RecordError: the bytes are not text; names their format and the next step.
    """
    kind = kind_of(ends)
    if encoding.family == "wide" and kind is not None and kind in _WIDE_TEXT:
        kind = None
    inner = compression_of(ends.head, cut=ends.is_whole) if kind is None and packed_in else None
    if inner:
        kind = Kind(f"{inner} data again", "it was compressed twice: decompress it once")
    if kind:
        where = f"what its {packed_in} data holds is" if packed_in else "it is"
        path = shlex.quote(name.removeprefix("file://")) if name.startswith("file://") else "FILE"
        advice = kind.advice.replace("FILE", path)
        raise RecordError(
            f"{name} cannot be read as text: {where} {kind.name}; {advice}", place=name
        )


def kind_of(ends: Ends) -> Kind | None:
    """Return the format of bytes that are certainly not text and of no supported compression, or
    None.
    """
    return next((kind for kind, matches in _SIGNS if matches(ends)), None)


def _pattern(pattern: bytes) -> Callable[[Ends], bool]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda ends: compiled.match(ends.head) is not None


def _binary(pattern: bytes) -> Callable[[Ends], bool]:
    """Return a matcher for a signature of letters: it counts only if the bytes are not text."""
    compiled = re.compile(pattern, re.DOTALL)
    return lambda ends: compiled.match(ends.head) is not None and not _looks_like_text(ends.head)


def _looks_like_text(head: bytes) -> bool:
    """Return whether bytes are UTF-8 without control characters; a character cut at the end is
    allowed.
    """
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.reason != "unexpected end of data":
            return False
        text = head[: exc.start].decode("utf-8")
    return re.search(r"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]", text) is None


def _encoding(name: str, codec: str) -> Kind:
    return Kind(
        f"text in {name}",
        f'write its encoding in the job: Text(encoding="{codec}"), as in Csv and JsonLines; '
        f"or convert it: iconv -f {name} -t UTF-8 FILE > FILE.utf8",
    )


def _unmarked(codec: str, unit_bytes: int, big: bool) -> Callable[[Ends], bool]:
    """Return a matcher for wide characters without a byte order mark.

    Certain: two in three high bytes are zero or another control character (Latin, Greek, Cyrillic,
    Arabic ...), some are zero (spaces, line ends), no low byte is, and every character is one of
    texts.
    """

    def matches(ends: Ends) -> bool:
        head = ends.head[: len(ends.head) // unit_bytes * unit_bytes]
        columns = [head[at::unit_bytes] for at in range(unit_bytes)]
        low, *high = reversed(columns) if big else columns
        controls = min(len(column) - len(column.translate(None, _CONTROLS)) for column in high)
        zeros = min(column.count(0) for column in high)
        least = 3 if zeros == len(low) else 8
        if len(low) < least or (ends.is_whole and len(ends.head) % unit_bytes):
            return False
        if low.count(0) or controls * 3 < len(low) * 2 or zeros * 64 < len(low):
            return False
        text = head.decode(codec, "replace")
        return all(
            char in "\t\r\n\f" or unicodedata.category(char) not in ("Cc", "Cn", "Co", "Cs")
            for char in text
        )

    return matches


def _is_zip(ends: Ends) -> bool:
    head = ends.head
    if head[:4] == b"PK\x05\x06":  # an empty archive: only the 22-byte end of its directory
        return len(head) >= 22 and not any(head[4:20])
    if head[:8] == b"PK\x07\x08PK\x03\x04":  # the marker of a split archive
        return True
    # version needed, flags, method, ... name length: all are small numbers
    return head[:4] == b"PK\x03\x04" and (
        len(head) < 30 or (head[4] < 100 and head[9] == 0 and head[26:28] != b"\0\0")
    )


def _is_tar(ends: Ends) -> bool:
    """Return whether the first 512 bytes are a header with a valid checksum."""
    header = ends.head[:512]
    field = header[148:156].strip(b" \0")
    if len(header) < 512 or not re.fullmatch(rb"[0-7]{1,7}", field):
        return False
    return sum(header[:148]) + 8 * ord(" ") + sum(header[156:]) == int(field, 8)


def _is_zlib(ends: Ends) -> bool:
    """Return whether the bytes inflate; `x^` also begins texts."""
    if not re.match(rb"\x78[\x01\x5e\x9c\xda]", ends.head) or _looks_like_text(ends.head):
        return False
    inflating = zlib.decompressobj()
    try:
        made = inflating.decompress(ends.head, 1 << 20)
    except zlib.error:
        return False
    return inflating.eof or (not ends.is_whole and len(made) > 0)


def _is_lzma_alone(ends: Ends) -> bool:
    """Apply liblzma's rules: dictionary 2^n or 2^n + 2^(n-1), size unknown or below 256 GiB."""
    head = ends.head
    if len(head) < 13 or head[0] >= 225:
        return False
    dictionary, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    top = 1 << max(dictionary.bit_length() - 1, 0)
    return (
        dictionary >= 4096
        and dictionary in (top, top + top // 2)
        and (size == (1 << 64) - 1 or size < 1 << 38)
    )


def _is_parquet(ends: Ends) -> bool:
    """Check the magic at both ends and the footer's length; in a stream, the first header."""
    head, tail, size = ends.head, ends.tail, ends.size
    if head[:4] not in (b"PAR1", b"PARE"):
        return False
    if size is not None and tail[-4:] == head[:4]:
        return 0 < int.from_bytes(tail[-8:-4], "little") <= size - 12
    return re.match(rb"PAR1\x15[\x00\x02\x04\x06][\x15\x19]", head) is not None


def _is_orc(ends: Ends) -> bool:
    """Check the magic at the start and in the postscript; in a stream, that no text follows."""
    if ends.head[:3] != b"ORC":
        return False
    if ends.size is not None:
        return ends.tail[-8:-1] == b"\x82\xf4\x03\x03ORC"
    return not _looks_like_text(ends.head)


def _is_pdf(ends: Ends) -> bool:
    """Check the version on the first line, and that an object or the binary marker follows."""
    head = ends.head
    return re.match(rb"%PDF-[12]\.\d[ \t]*[\r\n]", head) is not None and (
        re.search(rb"[\r\n]\d+ \d+ obj\b", head) is not None
        or re.search(rb"[\r\n]%[\x80-\xff]{4}", head) is not None
    )


def _is_compress(ends: Ends) -> bool:
    return len(ends.head) > 2 and ends.head[:2] == b"\x1f\x9d" and 9 <= ends.head[2] & 0x1F <= 16


_SIGNS: tuple[_Sign, ...] = (
    (_encoding("UTF-32", "utf-32"), _pattern(rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff")),
    (_encoding("UTF-16", "utf-16"), _pattern(rb"\xff\xfe|\xfe\xff")),
    (_encoding("UTF-32LE", "utf-32-le"), _unmarked("utf-32-le", 4, big=False)),
    (_encoding("UTF-32BE", "utf-32-be"), _unmarked("utf-32-be", 4, big=True)),
    (_encoding("UTF-16LE", "utf-16-le"), _unmarked("utf-16-le", 2, big=False)),
    (_encoding("UTF-16BE", "utf-16-be"), _unmarked("utf-16-be", 2, big=True)),
    (Kind("a zip archive (also .xlsx, .docx, .jar, .npz)", _ARCHIVE), _is_zip),
    (Kind("a tar archive", _ARCHIVE), _is_tar),
    (Kind("a 7z archive", _ARCHIVE), _pattern(rb"7z\xbc\xaf\x27\x1c")),
    (Kind("a rar archive", _ARCHIVE), _pattern(rb"Rar!\x1a\x07[\x00\x01]")),
    (Kind("an ar archive (also .deb)", _ARCHIVE), _pattern(rb"!<arch>\n.{58}`\n")),
    (
        Kind("a cpio archive (also inside .rpm)", _ARCHIVE),
        _pattern(rb"07070[12][0-9a-fA-F]{104}[^\x00]+\x00"),
    ),
    (Kind("an lz4 frame", _PACKED), _pattern(rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18")),
    (Kind("an lzma file (the format before .xz)", _PACKED), _is_lzma_alone),
    (Kind("a zlib stream", _PACKED), _is_zlib),
    (Kind("a file of Unix compress (.Z)", _PACKED), _is_compress),
    (Kind("snappy data", _PACKED), _pattern(rb"\xff\x06\x00\x00sNaPpY|\x82SNAPPY\x00")),
    (Kind("an lzop file", _PACKED), _pattern(rb"\x89LZO\x00\r\n\x1a\n")),
    (Kind("an lzip file", _PACKED), _pattern(rb"LZIP[\x00\x01][\x0c-\xff]")),
    (Kind("data of an old zstd", _PACKED), _pattern(rb"[\x22-\x27]\xb5\x2f\xfd")),
    (
        Kind("a dictionary of zstd, without data", "name the files that were compressed"),
        _pattern(rb"\x37\xa4\x30\xec"),
    ),
    (Kind("a Parquet file", "write input_format = Parquet() in the job"), _is_parquet),
    (Kind("an ORC file", _TABLE), _is_orc),
    (Kind("an Avro file", "write input_format = Avro() in the job"), _pattern(rb"Obj\x01")),
    (
        Kind("an Arrow file", _TABLE),
        _pattern(rb"ARROW1\x00\x00|\xff\xff\xff\xff..\x00\x00\x10\x00\x00\x00"),
    ),
    (Kind("a Hadoop SequenceFile", _TABLE), _pattern(rb"SEQ[\x00-\x06]|RCF\x01")),
    (Kind("an SQLite database", _TABLE), _pattern(rb"SQLite format 3\x00")),
    (Kind("an HDF5 file", _TABLE), _pattern(rb"\x89HDF\r\n\x1a\n")),
    (Kind("a NumPy array", _TABLE), _pattern(rb"\x93NUMPY")),
    (Kind("a Python pickle", _TABLE), _pattern(rb"\x80[\x02-\x05]")),
    (
        Kind("an Office document of the old kind (.xls, .doc)", _TABLE),
        _pattern(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ),
    (Kind("a PDF document", _DOCUMENT), _is_pdf),
    (Kind("a PNG image", _BINARY), _pattern(rb"\x89PNG\r\n\x1a\n")),
    (Kind("a JPEG image", _BINARY), _pattern(rb"\xff\xd8\xff")),
    (Kind("a GIF image", _BINARY), _binary(rb"GIF8[79]a")),
    (Kind("a TIFF image", _BINARY), _pattern(rb"II\*\x00|MM\x00\*")),
    (Kind("a WebP, WAV or AVI file", _BINARY), _binary(rb"RIFF.{4}(WEBP|WAVE|AVI )")),
    (Kind("an MP4 file", _BINARY), _pattern(rb"\x00\x00\x00.ftyp")),
    (Kind("an MP3 file", _BINARY), _pattern(rb"ID3[\x02-\x04]\x00")),
    (Kind("an Ogg or FLAC file", _BINARY), _pattern(rb"OggS\x00|fLaC\x00")),
    (Kind("a program (ELF)", _BINARY), _pattern(rb"\x7fELF[\x01\x02][\x01\x02]")),
)
_WIDE_TEXT = frozenset(kind for kind, _ in _SIGNS[:6])
"""Text in UTF-16 and UTF-32."""
