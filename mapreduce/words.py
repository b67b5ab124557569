"""The definition of a word for the ready-made text jobs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

_ascii_words: Callable[[str], list[str]] = re.compile(r"[a-z']+").findall


def words(line: str) -> list[str]:
    """Return the words of a line: lower-cased maximal runs of Unicode letters, marks and
    apostrophes.

    U+2019 is read as an apostrophe. On ASCII text a word is exactly the regular expression
    `[a-z']+`.
    """
    line = line.lower()
    if line.isascii():
        return _ascii_words(line)
    return _unicode_words()(line.replace("’", "'"))


@cache
def _unicode_words() -> Callable[[str], list[str]]:
    import regex  # 20 ms, and most text never needs it

    found: Callable[[str], list[str]] = regex.compile(r"[\p{L}\p{M}']+").findall
    return found
