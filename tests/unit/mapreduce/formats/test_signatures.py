"""Data that is not text is recognised by its whole signature, and text is never refused."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
import zlib
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce.errors import RecordError
from mapreduce.formats.inspection import look_at
from mapreduce.formats.signatures import HEAD_BYTES, TAIL_BYTES, Ends, kind_of
from mapreduce.formats.unpacked import unpacked_text
from mapreduce.input_formats import Compression, Csv, Format, JsonLines, Text, WholeFile
from mapreduce.storage import open_storage
from mapreduce.wire.messages import InputObject

# a table of one row, written by pyarrow
ORC = base64.b64decode(
    "T1JDCgYSBAgBUAAKEgoCAAASDAgBEgYIAhACGAJQAEIAgAoGCAYQABgICgYIBhABGBQKBggBEAEYAxIE"
    "CAAQABIECAIQABoDR01UChQKBAgBUAAK"
    "DAgBEgYIAhACGAJQAAgDEEgaCggDEBwYAyApKAEiDggMEgEBGgFhIAAoADAAIggIBCAAKAAwADABOgQI"
    "AVAAOgwIARIGCAIQAhgCUABAkE5IAWIF"
    "Mi4yLjIITBAAGICABCICAAwoFjAGgvQDA09SQxc="
)
LINES = "".join(f"line {number} of a text, with words\n" for number in range(400))


def _zip(method: int, name: str = "t") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(name, LINES)
    return file.getvalue()


def _tar(form: int) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        info = tarfile.TarInfo("some/file.txt")
        info.size = len(LINES)
        archive.addfile(info, io.BytesIO(LINES.encode()))
    return file.getvalue()


def _empty_zip() -> bytes:
    file = io.BytesIO()
    zipfile.ZipFile(file, "w").close()
    return file.getvalue()


def _pdf(comment: bytes) -> bytes:
    return b"%PDF-1.4\n" + comment + b"1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n"


FOREIGN: dict[str, tuple[bytes, str]] = {
    "utf-16": (LINES.encode("utf-16"), "UTF-16;"),
    "utf-16 of one word": ("a\n".encode("utf-16"), "UTF-16;"),
    "utf-16 big": (b"\xfe\xff" + LINES.encode("utf-16-be"), "UTF-16;"),
    "utf-16 unmarked": (LINES.encode("utf-16-le"), "UTF-16LE;"),
    "utf-16 big unmarked": (LINES.encode("utf-16-be"), "UTF-16BE;"),
    "utf-16 unmarked, short": ("alpha beta\n".encode("utf-16-le"), "UTF-16LE;"),
    "utf-16 unmarked, shorter": ("ab\n".encode("utf-16-le"), "UTF-16LE;"),
    "utf-16 unmarked, Cyrillic": ("Привет, мир и все\n".encode("utf-16-le") * 9, "UTF-16LE;"),
    "utf-32": (LINES.encode("utf-32"), "UTF-32;"),
    "utf-32 big": (b"\0\0\xfe\xff" + LINES.encode("utf-32-be"), "UTF-32;"),
    "utf-32 unmarked": (LINES.encode("utf-32-le"), "UTF-32LE;"),
    "utf-32 big unmarked": (LINES.encode("utf-32-be"), "UTF-32BE;"),
    "zip": (_zip(zipfile.ZIP_DEFLATED), "a zip archive"),
    "zip, stored": (_zip(zipfile.ZIP_STORED), "a zip archive"),
    "zip, bzip2": (_zip(zipfile.ZIP_BZIP2, "ä/" + "x" * 300), "a zip archive"),
    "zip, empty": (_empty_zip(), "a zip archive"),
    "zip, cut": (_zip(zipfile.ZIP_STORED)[:20], "a zip archive"),
    "tar, ustar": (_tar(tarfile.USTAR_FORMAT), "a tar archive"),
    "tar, gnu": (_tar(tarfile.GNU_FORMAT), "a tar archive"),
    "tar, pax": (_tar(tarfile.PAX_FORMAT), "a tar archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(30), "a 7z archive"),
    "rar": (b"Rar!\x1a\x07\x01\x00" + bytes(30), "a rar archive"),
    "ar": (
        b"!<arch>\n" + b"debian-binary   0           0     0     100644  4         `\n2.0\n",
        "an ar archive",
    ),
    "cpio": (b"070701" + b"0" * 104 + b"name\x00", "a cpio archive"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(9), "an lz4 frame"),
    "lz4, old": (b"\x02\x21\x4c\x18\x64\x40\xa7" + bytes(9), "an lz4 frame"),
    "lzma": (lzma.compress(LINES.encode(), lzma.FORMAT_ALONE), "an lzma file"),
    "lzma of nothing": (lzma.compress(b"", lzma.FORMAT_ALONE, preset=0), "an lzma file"),
    "zlib": (zlib.compress(LINES.encode()), "a zlib stream"),
    "zlib, level 0": (zlib.compress(bytes(range(256)) * 99, 0), "a zlib stream"),
    "zlib, level 1": (zlib.compress(LINES.encode(), 1), "a zlib stream"),
    "zlib, level 9, short": (zlib.compress(b"alpha\n", 9), "a zlib stream"),
    "compress": (b"\x1f\x9d\x90" + bytes(9), "a file of Unix compress"),
    "snappy": (b"\xff\x06\x00\x00sNaPpY" + bytes(9), "snappy data"),
    "lzop": (b"\x89LZO\x00\r\n\x1a\n" + bytes(9), "an lzop file"),
    "lzip": (b"LZIP\x01\x0c" + bytes(9), "an lzip file"),
    "orc": (ORC, "an ORC file"),
    "avro": (b"Obj\x01\x04\x16avro.schema\x1a" + bytes(9), "an Avro file"),
    "arrow": (b"ARROW1\x00\x00" + bytes(9), "an Arrow file"),
    "sequence file": (b"SEQ\x06\x19org.apache.hadoop.io.Text" + bytes(9), "a Hadoop SequenceFile"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(9), "an HDF5 file"),
    "numpy": (b"\x93NUMPY\x01\x00" + bytes(9), "a NumPy array"),
    "pickle": (pickle.dumps(["a"]), "a Python pickle"),
    "excel": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), "an Office document"),
    "pdf": (_pdf(b"%\xe2\xe3\xcf\xd3\n"), "a PDF document"),
    "pdf of ASCII": (_pdf(b""), "a PDF document"),
    "png": (b"\x89PNG\r\n\x1a\n" + bytes(9), "a PNG image"),
    "jpeg": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "a JPEG image"),
    "gif": (b"GIF89a\x01\x00\x01\x00" + bytes(9), "a GIF image"),
}
TEXTS = [
    "PK is a shop",
    "PK\n",
    "PAR1 is a magic word, and so is PAR1",
    "PAR1" + "x" * 300 + "PAR1",
    "PAR1PAR1",
    "ORC and elf\n" * 99,
    "ORC ends with ORC",
    "Obj is a noun\n",
    "Obj",
    "BZh91AY and so on",
    "%PDF-1.4\nis how a PDF begins\n",
    "%PDF and on",
    "SEQ 1",
    "SQLite format 3 is a file format",
    "x^2 + y^2 = 1, x^2 - y^2 = 0\n" * 200,
    "x^",
    "x^" + "2" * 5000,  # zlib accepts the part that is examined
    "]\n",
    "LZIP is a tool",
    "7z is a tool",
    "Rar! he said",
    "!<arch>\nand then a text",
    "070701 is a date",
    "GIF89a is the newer one",
    "ID3 tags",
    "RIFF raff WAVE",
    "MM and II",
    "fLaC, OggS, RCF, NUMPY, ARROW1",
    "ustar".rjust(262) + "\n" + "x" * 300,
    "\ufeffwith a byte order mark",
    "Привет, мир\n" * 50,
    "日本語のテキスト\n" * 300,
    "1\x015\x013\n7\x018\x019\n" * 50,
    "1\x015\x013\x01\n" * 50,
    "abc\x00def\x00ghi\x00\n\x00" * 50,
    "a\x00",
    "\x00" * 600,
    "\x1b[31mred\x1b[0m",
]


@pytest.fixture(params=sorted(FOREIGN))
def foreign(request: pytest.FixtureRequest) -> tuple[bytes, str]:
    """Bytes that are no text, and their kind in the error."""
    return FOREIGN[request.param]


def look(folder: Path, content: bytes, form: Format | None = None) -> Compression | None:
    """Return the split stage's error for a file, or None."""
    path = folder / "it's here"
    path.write_bytes(content)
    info = open_storage().head(f"file://{path}")
    given = InputObject(url=info.url, size=info.size, etag=info.etag, format=form or Text())
    return look_at(given, open_storage())


@pytest.mark.parametrize("form", [Text(), Csv(), JsonLines()], ids=lambda form: form.kind)
def test_other_data_is_refused_with_its_kind(
    tmp_path: Path, foreign: tuple[bytes, str], form: Format
) -> None:
    """Data that is no text is refused with its kind, as text, CSV or JSON Lines, but not as whole
    files.
    """
    content, name = foreign
    with pytest.raises(
        RecordError, match=f"cannot be read as text: it is (text in )?{name}"
    ) as caught:
        look(tmp_path, content, form)
    assert "; " in caught.value.message
    assert "\n" not in caught.value.message
    assert look(tmp_path, content, WholeFile()) is None


@pytest.mark.parametrize(
    ("compression", "pack"), [("gzip", gzip.compress), ("bzip2", bz2.compress)]
)
def test_the_same_inside_of_compressed_data(
    foreign: tuple[bytes, str], compression: Compression, pack: object
) -> None:
    """Data that is no text is recognised in compressed data, in any blocks."""
    content, name = foreign
    packed = pack(content)  # type: ignore[operator]
    for step in (97, 1 << 20):
        blocks = (packed[at : at + step] for at in range(0, len(packed), step))
        with pytest.raises(
            RecordError, match=f"what its {compression} data holds is (text in )?{name}"
        ):
            b"".join(unpacked_text(blocks, compression, "file:///a"))


@pytest.mark.parametrize("inner", [gzip.compress, bz2.compress, lzma.compress])
def test_data_that_is_compressed_twice(inner: object) -> None:
    """Data that is compressed twice is refused."""
    packed = gzip.compress(inner(LINES.encode()))  # type: ignore[operator]
    with pytest.raises(RecordError, match="data again; it was compressed twice"):
        list(unpacked_text(iter([packed]), "gzip", "file:///a"))


def test_the_advice_can_be_pasted(tmp_path: Path) -> None:
    """The error's command can be pasted into a shell."""
    with pytest.raises(RecordError) as caught:
        look(tmp_path, LINES.encode("utf-16"))
    quoted = f"'{tmp_path}/it'\"'\"'s here'"
    assert caught.value.message.endswith(f"iconv -f UTF-16 -t UTF-8 {quoted} > {quoted}.utf8")
    assert f"file://{tmp_path}/it's here" == caught.value.place


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:12]))
def test_a_text_with_any_beginning_is_read(tmp_path: Path, text: str) -> None:
    """Text is accepted even if it starts like a signature, or has control characters."""
    assert look(tmp_path, text.encode()) is None
    packed = gzip.compress(text.encode())
    assert text.encode() == b"".join(unpacked_text(iter([packed]), "gzip", "file:///a"))


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=600))
def test_no_text_is_taken_for_anything_else(text: str) -> None:
    """Any text is accepted, whatever its characters."""
    data = text.encode()
    assert kind_of(Ends(data, data[-TAIL_BYTES:], len(data))) is None
    assert kind_of(Ends(data)) is None


@given(
    start=st.sampled_from(
        [content[:8] for content, _ in FOREIGN.values() if content[:8].isascii()]
    ),
    rest=st.text("az \n", min_size=40),
)
def test_printable_signatures_do_not_count_alone(start: bytes, rest: str) -> None:
    """A text that starts with the printable bytes of a signature is accepted."""
    text = "".join(char for char in start.decode() if char.isprintable()) + rest
    assert kind_of(Ends(text.encode(), text.encode()[-TAIL_BYTES:], len(text))) is None


def test_tables(tmp_path: Path) -> None:
    """Parquet and SQLite files of their own libraries are recognised, Parquet also in compressed
    data.
    """
    path = tmp_path / "t.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT range AS a FROM range(9000)) TO '{path}' (FORMAT parquet)"
        )
    content = path.read_bytes()
    with pytest.raises(
        RecordError, match=r"it is a Parquet file; write input_format = Parquet\(\)"
    ):
        look(tmp_path, content)
    with pytest.raises(RecordError, match="what its gzip data holds is a Parquet file"):
        list(unpacked_text(iter([gzip.compress(content)]), "gzip", "file:///a"))
    with sqlite3.connect(tmp_path / "t.db") as database:
        database.execute("CREATE TABLE t (a)")
    database.close()
    with pytest.raises(RecordError, match="it is an SQLite database"):
        look(tmp_path, (tmp_path / "t.db").read_bytes())


def test_long_text_comes_whole(tmp_path: Path) -> None:
    """Long text is passed on whole after it was examined."""
    data = LINES.encode() * 90
    assert len(data) > 4 * HEAD_BYTES
    assert data == b"".join(unpacked_text(iter([bz2.compress(data)]), "bzip2", "file:///a"))
    assert b"" == b"".join(unpacked_text(iter([gzip.compress(b"")]), "gzip", "file:///a"))
