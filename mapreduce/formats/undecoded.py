"""Count the bytes of text inputs that are not in their encoding, and where they come first."""

from __future__ import annotations

from dataclasses import dataclass

REPLACEMENT = "\ufffd"
"""The character that replaces bytes which are not UTF-8."""

_REPLACEMENT_BYTES = REPLACEMENT.encode()


@dataclass(slots=True)
class Undecoded:
    """The bytes of one byte range that are not UTF-8, so far.

    Attributes:
        replaced: how many U+FFFD replace them.
        size_bytes: how many bytes they are.
        lines: how many lines hold some.
        first: offset of the first such line, or None.
    """

    replaced: int = 0
    size_bytes: int = 0
    lines: int = 0
    first: int | None = None

    def line(self, line: bytes, offset: int) -> str:
        """Decode a line that is not UTF-8, and count it.

        Args:
            line: its bytes.
            offset: where it begins in the input.
        """
        text = line.decode("utf-8", "replace")
        # the text may hold U+FFFD of its own, as valid UTF-8
        replaced = text.count(REPLACEMENT) - line.count(_REPLACEMENT_BYTES)
        self.replaced += replaced
        self.size_bytes += len(line) - len(text.encode()) + replaced * len(_REPLACEMENT_BYTES)
        self.lines += 1
        self.first = offset if self.first is None else self.first
        return text

    def other(self, data: bytes, offset: int, encoding: str) -> str:
        """Decode a record that is not in its encoding, and count what is not.

        Args:
            data: its bytes.
            offset: where it begins in the input.
            encoding: Python's name of the encoding.
        """
        text = data.decode(encoding, "replace")
        good = data.decode(encoding, "ignore")
        self.replaced += text.count(REPLACEMENT) - good.count(REPLACEMENT)
        self.size_bytes += len(data) - len(good.encode(encoding, "replace"))
        self.lines += 1
        self.first = offset if self.first is None else self.first
        return text

    def whole_lines(self, data: bytes, offset: int) -> None:
        """Count what is not UTF-8 in whole lines, which begin at an offset of the input."""
        if data.isascii():
            return
        try:
            # line by line only if something is wrong, because that is slower
            data.decode("utf-8")
        except UnicodeDecodeError:
            for line in data.split(b"\n"):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    self.line(line, offset)
                offset += len(line) + 1
