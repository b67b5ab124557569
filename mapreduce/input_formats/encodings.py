"""Which encodings of text can be cut anywhere and read from there, and by which unit."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from functools import cache
from typing import Literal

Family = Literal["utf-8", "single", "multi", "wide"]

_WIDE = {f"utf-{bits}{end}": bits // 8 for bits in (16, 32) for end in ("", "-le", "-be")}
_MULTI = frozenset(
    "big5 big5hkscs cp932 cp949 cp950 euc_jis_2004 euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk "
    "johab shift_jis shift_jis_2004 shift_jisx0213".split()
)
"""Characters of one to four bytes; a byte below `_ALONE` is never a part of a longer one."""
_ALONE = 0x30
_NO_TEXT = frozenset(("idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape"))
_MARKS = {"utf-16": 2, "utf-32": 4}
"""Encodings whose byte order only the file's byte order mark tells: the length of the mark."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """An encoding.

    Attributes:
        name: Python's name of it.
        family: how its characters lie in bytes.
        unit: bytes of the smallest character; every character begins at a multiple of it.
    """

    name: str
    family: Family
    unit: int = 1

    @property
    def mark_bytes(self) -> int:
        """The length of the byte order mark that the file must have, or 0."""
        return _MARKS.get(self.name, 0)

    def ordered(self, head: bytes) -> str:
        """Return the name with the byte order of a file; the name itself if it says the order.

        Args:
            head: the first bytes of the file.

        Raises:
            ValueError: only a byte order mark would tell, and there is none.
        """
        if self.name not in _MARKS or not head:
            return self.name
        for order in ("le", "be"):
            if head.startswith("\ufeff".encode(f"{self.name}-{order}")):
                return f"{self.name}-{order}"
        raise ValueError(
            f"it has no byte order mark; write encoding={self.name + '-le'!r} or "
            f"{self.name + '-be'!r}"
        )

    def is_sound(self, mark: str) -> bool:
        """Return whether an ASCII text is its own bytes here, and those bytes are nothing else."""
        try:
            data = mark.encode(self.name)
        except UnicodeEncodeError:
            return False
        if self.family == "wide" or data != mark.encode("ascii", "replace"):
            return False
        return self.family != "multi" or max(data, default=0) < _ALONE

    def delimiter(self, text: str, name: str) -> bytes:
        """Return the bytes of a delimiter.

        Args:
            text: the delimiter.
            name: the encoding's name, with the byte order.

        Raises:
            ValueError: the encoding does not have it, or its bytes may be a part of a character.
        """
        try:
            data = text.encode(name)
        except UnicodeEncodeError:
            raise ValueError(f"{self.name} has no {text!r}") from None
        if self.family == "multi" and max(data) >= _ALONE:
            raise ValueError(
                f"in {self.name} the bytes of {text!r} may be a part of a character; convert the "
                f"file to UTF-8: iconv -f {self.name} -t UTF-8"
            )
        return data


UTF_8 = Encoding("utf-8", "utf-8")


@cache
def encoding_of(name: str) -> Encoding:
    """Return an encoding by any of its names.

    Raises:
        ValueError: there is none, it is not one of text, or its bytes mean something only with
            those before them.
    """
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        raise ValueError(
            f"Python knows no encoding {name!r}; some are 'latin-1', 'cp1252', 'utf-16', 'gb18030'"
        ) from None
    if not getattr(found, "_is_text_encoding", True) or found.name in _NO_TEXT:
        raise ValueError(
            f"{name!r} is no encoding of text files; for compressed files none is needed: gzip, "
            "bzip2, xz and zstd are recognised"
        )
    if found.name in ("utf-8", "utf-8-sig"):
        return UTF_8
    if found.name in _WIDE:
        return Encoding(found.name, "wide", _WIDE[found.name])
    if found.name in _MULTI:
        return Encoding(found.name, "multi")
    shifts = found.name.startswith("iso2022") or found.name in ("hz", "utf-7", "mbcs", "oem")
    if not shifts and _is_single(found.name):
        return Encoding(found.name, "single")
    raise ValueError(
        f"in {found.name} a byte means something only with those before it, so that a file cannot "
        f"be read from its middle; convert it: iconv -f {found.name} -t UTF-8 FILE > FILE.utf8"
    )


def _is_single(name: str) -> bool:
    """Return whether each byte is a character by itself, or none."""
    for byte in range(256):
        try:
            text = bytes([byte]).decode(name)
        except UnicodeDecodeError:
            continue
        if len(text) != 1:
            return False
    return True
