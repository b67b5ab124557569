"""Foreign text with visible escapes."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.text import (
    BLOCK_LIMIT,
    cut,
    cut_middle,
    json_text,
    shown,
    shown_lines,
    shown_repr,
    storable,
)

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=300)  # lone surrogates too
HIDDEN = ["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]
"""The categories of characters that a terminal obeys, or does not show."""


def _obeyed(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in HIDDEN]


@given(ANY_TEXT)
def test_a_line_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    """A shown line has no control, format, bidirectional, unassigned or surrogate character."""
    assert _obeyed(shown(text)) == []


@given(ANY_TEXT)
def test_lines_hold_nothing_but_their_ends(text: str) -> None:
    """Shown lines have no such characters either, and the same line ends."""
    shown_text = shown_lines(text)
    assert _obeyed(shown_text.replace("\n", "")) == []
    assert shown_text.count("\n") == text.count("\n")


@given(ANY_TEXT, st.integers(1, 80))
def test_a_cut_text_shows_its_length(text: str, limit: int) -> None:
    """A cut text has at most the limit of characters, and the number of the others."""
    kept, mark, rest = shown(text, limit).rpartition("… (")
    if not mark or not rest.endswith((" more characters)", " more character)")):
        assert len(shown(text, limit)) <= limit
        return
    assert len(kept) <= limit
    left_out = int(rest.split()[0].replace(",", ""))
    assert shown(text[: len(text) - left_out], limit) == kept


@given(
    st.text(
        st.characters(
            categories=["L", "N", "P", "S"], exclude_characters="\u3164\uffa0\u115f\u1160\u2800"
        )
    )
)
def test_text_that_hides_nothing_is_shown_as_it_is(text: str) -> None:
    """Text without such characters is shown unchanged."""
    assert shown(text, 1000) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("\x9b31m", r"\x9b31m"),
        ("\x7f\r\t", r"\x7f\r\t"),
        ("a\u202eb\u2066c\u200bd", r"a\u202eb\u2066c\u200bd"),
        ("\u2028\u2029\x85\n", r"\u2028\u2029\x85\n"),
        ("\ud800", r"\ud800"),
        ("\u3164\ufe0f\U000e0101", r"\u3164\ufe0f\U000e0101"),
        ("[bold]:smile:[/nope]", "[bold]:smile:[/nope]"),
    ],
)
def test_escapes(text: str, expected: str) -> None:
    """Escapes are Python's, and markup is text."""
    assert expected == shown(text)


def test_values_that_python_does_not_write_out() -> None:
    """A huge integer and a deep list are shown as too long."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert "too long" in shown(10**10_000)
    assert "too long" in shown_repr(deep)
    assert shown(True) == "True"
    assert shown_repr("a\n") == r"'a\n'"


def test_ten_megabytes_are_cut() -> None:
    """A message and a block of ten megabytes are cut."""
    assert shown("x" * 10_000_000, 5) == "xxxxx… (9,999,995 more characters)"
    assert len(shown_lines("\x1b\n" * 10_000_000)) < BLOCK_LIMIT + 100
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc… (1 more character)"


@given(ANY_TEXT, st.integers(2, 50))
def test_both_ends_of_a_traceback_are_kept(text: str, limit: int) -> None:
    """A cut traceback keeps its start and its end."""
    kept = cut_middle(text, limit)
    if len(text) <= limit:
        assert kept == text
        return
    head, _, tail = kept.partition(
        f"\n  … ({len(text) - limit:,} more character{'s' * (len(text) - limit != 1)})\n"
    )
    assert len(head) + len(tail) == limit
    assert text.startswith(head)
    assert text.endswith(tail)


@given(ANY_TEXT)
def test_stored_text_can_be_encoded(text: str) -> None:
    """Stored text is valid UTF-8, and valid text is unchanged."""
    kept = storable(text, 1000)
    assert kept.encode("utf-8").decode("utf-8") == kept
    if not any(unicodedata.category(char) == "Cs" for char in text):
        assert kept == text


@given(st.dictionaries(st.text(), st.text()), st.booleans())
def test_a_json_document_means_the_same(document: dict[str, str], ascii_only: bool) -> None:
    """A JSON document has the same content, and no character that a terminal obeys."""
    made = json_text(json.dumps(document, ensure_ascii=False, indent=2), ascii_only=ascii_only)
    assert json.loads(made) == document
    assert _obeyed(made.replace("\n", "")) == []
    assert made.isascii() or not ascii_only
