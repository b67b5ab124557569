"""Word counts of blocks equal counts line by line, with and without the native extension."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mapreduce import WordCounts, native, word_counts, words


@pytest.fixture(autouse=True, params=["native", 1, 16, 32, 64, "pure"])
def implementation(request: pytest.FixtureRequest) -> Iterator[None]:
    """Run the test with the native extension, with each kind of its instructions, or without it."""
    extension = native.extension
    if request.param != "pure" and extension is None:
        pytest.skip(f"the native extension is {native.why_not}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "pure":
            patch.setattr(native, "extension", None)
        elif request.param != "native" and extension is not None:
            if extension.WordCounts(request.param).lanes != request.param:
                pytest.skip(f"this processor has no instructions for {request.param} bytes")
            limited = SimpleNamespace(WordCounts=partial(extension.WordCounts, request.param))
            patch.setattr(native, "extension", limited)
        yield


def plain(blocks: list[bytes]) -> Counter[str]:
    """Return the counts line by line, by the definition of a word."""
    return Counter(
        word
        for block in blocks
        for line in block.split(b"\n")
        for word in words(line.decode("utf-8", "replace"))
    )


def counted(blocks: list[bytes]) -> Counter[str]:
    """Return the counts of the blocks."""
    counts = WordCounts()
    for block in blocks:
        counts.add(block)
    total: Counter[str] = Counter()
    for word, count in zip(*counts.take(), strict=True):
        total[word] += count
    assert ([], []) == counts.take()
    for block in blocks:
        counts.add(block)
    in_pairs: Counter[str] = Counter()
    for word, count in counts.pairs():
        in_pairs[word] += count
    assert total == in_pairs
    assert [] == list(counts.pairs())
    return total


ascii_words = st.text("abcXYZ'", min_size=1, max_size=20)
unicode_words = st.text(
    "aZß'’éÀİ\u0301ñ日本語ΑΩΣςσ.ж\u0915\u093f\u212a “”\u00a0\ufeff", min_size=1, max_size=12
)
fillers = st.sampled_from(["\n", " ", "\r\n", "-", "0", "\x00", ". ", " " * 63, "Σ", "Α.Σ.", ""])
texts = st.lists(
    st.one_of(ascii_words, unicode_words, fillers, st.text(max_size=4)), max_size=40
).map("".join)
blocks = st.one_of(texts.map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=200))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(blocks, max_size=3))
@example([b"x" * 64, b"x" * 65, b" " * 63 + b"ab", b"a" * 16, b"a" * 17, b"it's ''"])
@example(["ΑΣ.Β ΟΔΟΣ\nΟΔΟΣ".encode(), b"\xce\xa3 \xce", b"\xa3"])
def test_any_text(given_blocks: list[bytes]) -> None:
    """Counts are right for ASCII, other scripts and invalid UTF-8, at any offset in a block of 64
    bytes.
    """
    assert plain(given_blocks) == counted(given_blocks)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 1000])
def test_words_of_every_length_at_every_place(length: int) -> None:
    """A word of any length is found at any offset, also at the end of the data."""
    for before in range(130):
        assert Counter({"q" * length: 1}) == counted([b" " * before + b"Q" * length])


@pytest.mark.parametrize("segment", [512, 1024, 2048, 4096])
def test_words_over_the_end_of_a_segment(segment: int) -> None:
    """A word is found whole where the text is counted in pieces: one that begins, ends or goes on
    there, is longer than a piece, or is of bytes beyond ASCII.
    """
    for length in (1, 3, 16, 17, 3 * segment):
        for before in range(segment - 18, segment + 3):
            data = b"a " * (before // 2) + b" " * (before % 2) + b"Q" * length + b" b" * 600
            expected = Counter({"a": before // 2, "q" * length: 1, "b": 600})
            assert expected == counted([data])
    for before in range(segment - 8, segment + 3):
        given_blocks = [b"-" * before + "aéß Été".encode() + b" x" * 600]
        assert plain(given_blocks) == counted(given_blocks)


def test_every_byte_at_every_place() -> None:
    """Each ASCII byte is of a word, or ends one, at any offset in a block, as `str.split` says."""
    letters = set("'abcdefghijklmnopqrstuvwxyz")
    for byte in range(128):
        data = b"".join(b" " * at + b"a" + bytes([byte]) + b"b\n" for at in range(64, 128))
        text = data.decode("ascii").lower()
        split = "".join(each if each in letters else " " for each in text).split()
        assert Counter(split) == counted([data])


def test_every_byte_beyond_ascii() -> None:
    """A byte beyond ASCII is of a run, at any offset in a block."""
    data = b"".join(
        b" " * at + b"a" + bytes([byte]) + b" b\n"
        for at in range(60, 70)
        for byte in range(128, 256)
    )
    assert plain([data]) == counted([data])


def test_more_words_than_the_table_holds_at_first() -> None:
    """The table grows without losing a count."""
    names = [
        f"w{chr(97 + number % 26)}{'abcdefghij'[number // 26 % 10]}" * (1 + number % 7)
        for number in range(5000)
    ]
    names += [
        chr(97 + a) + chr(97 + b) + chr(97 + c)
        for a in range(26)
        for b in range(26)
        for c in range(26)
    ]
    data = " ".join(names).encode()
    assert plain([data]) == counted([data, b""])


def test_counts_say_when_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a limit the counts are large; taking them resets them."""
    counts = WordCounts()
    counts.add(b"some words")
    before = counts.is_large
    monkeypatch.setattr(word_counts, "LARGE_BYTES", 0)
    assert (False, True) == (before, counts.is_large)
    assert {"some": 1, "words": 1} == dict(zip(*counts.take(), strict=True))


def test_words_that_find_the_end_of_the_table_taken() -> None:
    """A word whose place is taken, as all behind it are, is counted at the table's beginning."""
    letters = "abcdefghijklmnop"
    endings = [a + b + c + d for a in "abc" for b in letters for c in letters for d in letters[:6]]
    for beginning in letters:  # each set of words fills another part of the table
        names = [beginning + ending for ending in endings]
        assert Counter(names * 2) == counted([" ".join(names * 2).encode()])
