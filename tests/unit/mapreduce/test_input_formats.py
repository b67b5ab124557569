"""Wrong options of a format are refused in plain words, and formats can be sent as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from mapreduce import Csv, FixedLength, JsonLines, Parquet, Text, Warc
from mapreduce.errors import JobLoadError
from mapreduce.input_formats import Format
from mapreduce.input_formats.encodings import encoding_of

TEXT: Any = Text
CSV: Any = Csv


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: TEXT(enc="latin-1"), r"Text has no option `enc`; it has: Text\(encoding='utf-8'"),
        (
            lambda: CSV(separator=";"),
            r"Csv has no option `separator`; it has: Csv\(delimiter=',', header=True, ",
        ),
        (lambda: Text(encoding="rot13"), "`encoding` of Text cannot be 'rot13'.* is no encoding"),
        (lambda: Text(encoding="zip"), "'zip' is no encoding of text files.*recognised"),
        (lambda: Text(encoding="klingon"), "Python knows no encoding 'klingon'; some are"),
        (lambda: Text(encoding="iso2022_jp"), "only with those before it.*iconv -f iso2022_jp"),
        (lambda: Text(encoding="utf-7"), "only with those before it"),
        (lambda: Text(encoding="idna"), "no encoding of text files"),
        (lambda: Text(delimiter=""), "the option `delimiter` of Text cannot be ''"),
        (lambda: Text(encoding="latin-1", delimiter="€"), "iso8859-1 has no '€'"),
        (lambda: Text(encoding="cp932", delimiter="|"), "may be a part of a character"),
        (lambda: Csv(delimiter='"'), 'must be different characters.*quoting="none"'),
        (lambda: Csv(header=("a", "a")), "names of columns are different"),
        (lambda: Csv(header=()), "the option `header` of Csv cannot be"),
        (lambda: FixedLength(length=0), "the option `length` of FixedLength cannot be 0"),
        (lambda: Csv(delimiter="\n\n"), r"the option `delimiter` of Csv cannot be '\\n\\n'"),
        (lambda: CSV(";"), "Csv takes options by name"),
        (lambda: Parquet(columns="a"), "the option `columns` of Parquet cannot be 'a'"),
    ],
)
def test_wrong_options(make: Callable[[], object], named: str) -> None:
    """The error has the format, the option, and the valid options."""
    with pytest.raises(JobLoadError, match=named) as caught:
        make()
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        Text(),
        Text(encoding="utf-16", delimiter="\n\n", number=True),
        JsonLines(encoding="latin-1"),
        Csv(delimiter=";", header=False),
        Csv(header=("a", "b"), quoting="none", escape="\\", comment="#", skip=2),
        Parquet(columns=("a",)),
        FixedLength(length=3),
        Warc(),
    ],
)
def test_formats_as_messages(form: Format) -> None:
    """A format is equal after JSON."""
    adapter: TypeAdapter[Format] = TypeAdapter(Format)
    assert form == adapter.validate_json(adapter.dump_json(form))


@pytest.mark.parametrize(
    ("name", "family", "unit"),
    [
        ("UTF8", "utf-8", 1),
        ("utf_8_sig", "utf-8", 1),
        ("L1", "single", 1),
        ("cp037", "single", 1),
        ("koi8-r", "single", 1),
        ("mac-roman", "single", 1),
        ("sjis", "multi", 1),
        ("gb18030", "multi", 1),
        ("utf-16", "wide", 2),
        ("U32", "wide", 4),
    ],
)
def test_families_of_encodings(name: str, family: str, unit: int) -> None:
    """An encoding is known by any of its names, with the unit at which characters begin."""
    found = encoding_of(name)
    assert (family, unit) == (found.family, found.unit)


def test_the_encodings_that_can_be_read_from_the_middle() -> None:
    """In each single-byte encoding a text is the sum of its bytes."""
    every = bytes(range(256))
    for name in ("latin-1", "cp1252", "cp037", "koi8-r", "iso8859-15"):
        parts = [bytes([byte]).decode(name, "replace") for byte in every]
        assert every.decode(name, "replace") == "".join(parts)


@pytest.mark.parametrize(
    ("form", "cut", "copied"),
    [
        (Text(), True, True),
        (Text(encoding="latin-1"), True, True),
        (Text(encoding="utf-16"), True, False),
        (Text(delimiter="\n\n"), True, False),
        (Csv(encoding="latin-1"), True, True),
        (Csv(encoding="utf-16"), False, False),
        (Csv(encoding="cp932"), True, True),
        (Csv(encoding="cp932", escape="\\"), False, False),
        (Csv(quote="'"), True, False),
        (JsonLines(encoding="utf-32"), False, False),
        (Warc(), False, False),
    ],
)
def test_what_is_cut_and_copied(form: Format, cut: bool, copied: bool) -> None:
    """A format is cut where records can be found from any byte on, else read whole."""
    assert (cut, copied) == (form.is_cut, form.by_lines)
