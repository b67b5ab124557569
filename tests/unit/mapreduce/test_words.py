"""The definition of a word."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import words


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_ascii(text: str) -> None:
    """A word of ASCII text is a match of `[a-z']+` in the lower-cased text."""
    assert re.findall(r"[a-z']+", text.lower()) == words(text)


def _plain(text: str) -> list[str]:
    """Return the words, character by character, by the Unicode categories."""
    found, word = [], ""
    for character in [*text.lower().replace("\u2019", "'"), " "]:
        if character == "'" or unicodedata.category(character)[0] in "LM":
            word += character
        elif word:
            found.append(word)
            word = ""
    return found


# characters of Unicode 3.0 or older, for which Python's tables and regex's agree
_characters = st.sampled_from(
    "aZß'’ ,1_-éÀİ\u0301\u0308ñ日本語ΑΩςжЯ\u05d0\u05b0\u0915\u093f½Ⅳ²\u00a0\u200b…“”"
)


@given(st.text(alphabet=_characters))
def test_unicode(text: str) -> None:
    """Letters of any script, with combining marks, are words; digits, signs and spaces are not."""
    assert _plain(text) == words(text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Don\u2019t don't", ["don't", "don't"]),
        ("nai\u0308ve na\u00efve", ["nai\u0308ve", "na\u00efve"]),
        ("STRASSE Straße", ["strasse", "straße"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("x86_64 a-b", ["x", "a", "b"]),
        ("\x00a\x00b\ufffdc", ["a", "b", "c"]),
        ("", []),
        ("1234 ½ —", []),
    ],
)
def test_examples(line: str, expected: list[str]) -> None:
    """Apostrophes, combining marks, scripts, digits and control characters are split as listed."""
    assert expected == words(line)
