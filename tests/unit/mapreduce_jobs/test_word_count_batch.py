"""Counts of batches equal counts line by line."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce.testing import plain_answer, run
from mapreduce_jobs.word_count import WordCount
from mapreduce_jobs.word_count_batch import WordCountBatch

ascii_texts = st.text(st.characters(max_codepoint=127), max_size=80).map(str.encode)
# a first byte that begins no signature of a compressed or binary file, which would be refused
BYTES = st.binary(max_size=40).map(lambda data: b"a" + data)
texts = st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace"))


@settings(max_examples=40, deadline=None)
@given(content=st.one_of(ascii_texts, texts, BYTES), splits=st.integers(1, 4))
def test_any_bytes(content: bytes, splits: int) -> None:
    """Counts are right for ASCII, Unicode and invalid bytes."""
    expected = plain_answer(WordCount(), [("file:///x", content)])
    assert dict(expected) == dict(run(WordCountBatch(), inputs={"": content}, splits=splits).pairs)


def test_special_characters() -> None:
    """Byte order mark, Kelvin sign (lower case k), capitals of two lower-case letters, and U+2019
    are right.
    """
    content = "\ufeffThe \u212aing's\r\nTHE İ don\u2019t DON'T \u001f''".encode()
    expected = {"the": 2, "king's": 1, "i\u0307": 1, "don't": 2, "''": 1}
    assert expected == dict(run(WordCountBatch(), inputs={"": content}).pairs)
    assert expected == dict(run(WordCount(), inputs={"": content}).pairs)
