"""The benchmark's input files."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from bench.corpus import Corpus, cut, repetitions


def test_the_same_name_has_the_same_bytes(tmp_path: Path) -> None:
    """Two files of one name have the same bytes, because they depend on the seed alone."""
    corpus = Corpus("text", 50_000)
    one, other = corpus.made_in(tmp_path / "one"), corpus.made_in(tmp_path / "other")
    assert one.read_bytes() == other.read_bytes()
    assert 50_000 <= one.stat().st_size < 50_100


def test_text_is_ascii_lines_of_a_books_length(tmp_path: Path) -> None:
    """Text has lines of at most 72 characters, paragraphs, and short words more often than long
    ones.
    """
    text = Corpus("text", 50_000).made_in(tmp_path).read_text(encoding="ascii")
    assert max(map(len, text.splitlines())) <= 72
    assert text.endswith("\n")
    assert "\n\n" in text
    (most, _), *_ = Counter(text.lower().split()).most_common(1)
    assert len(most) <= 3


def test_no_repetition_is_as_the_one_before() -> None:
    """Each repetition has the same letters and new words."""
    base = b" ".join(b"%d" % number for number in range(1000)) + b"\n"
    first, second, third = islice(repetitions(base), 3)
    assert base == first
    assert 3 == len({first, second, third})
    assert second.replace(b" ", b"") == third.replace(b" ", b"") == base.replace(b" ", b"")
    assert set(second.split()) - set(first.split())


def test_a_cut_ends_with_a_line() -> None:
    """`cut` ends with a whole line, and takes no further line."""
    assert b"aa\nbb\n" == b"".join(cut([b"aa\nb", b"b\ncc\n"], 4))
    assert b"aa\n" == b"".join(cut([b"aa\nbb\n"], 3))
    assert b"aa\nbb" == b"".join(cut([b"aa\nbb"], 4))


def test_books_are_converted_to_ascii(tmp_path: Path) -> None:
    """Books are converted to ASCII, and a typographic apostrophe becomes a straight one."""
    (tmp_path / "book.txt").write_text("Don\u2019t \u201cgo\u201d, caf\u00e9\n", encoding="utf-8")
    corpus = Corpus("text", 10, books=tmp_path)
    assert b"Don't go, cafe\n" == b"".join(corpus.blocks())
    assert corpus.name != Corpus("text", 10).name


def test_pairs_and_lines() -> None:
    """The corpus has the requested number of pairs, and of distinct lines."""
    pairs = [line.split(b",") for line in b"".join(Corpus("pairs", 1000, 10).blocks()).splitlines()]
    assert 1000 == len(pairs)
    assert {str(key).encode() for key in range(10)} == {key for key, _ in pairs}
    lines = b"".join(Corpus("lines", 1000).blocks()).splitlines()
    assert 1000 == len(set(lines))
    assert {64} == set(map(len, lines))
