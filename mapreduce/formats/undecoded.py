"""What was not UTF-8: how much of it there was, and where it came first."""

from __future__ import annotations

from dataclasses import dataclass

REPLACEMENT = "\ufffd"
"""The character that stands for bytes which are not UTF-8."""

_REPLACEMENT_BYTES = REPLACEMENT.encode()


@dataclass(slots=True)
class Undecoded:
    """The bytes of one piece that are not UTF-8, so far.

    Attributes:
        replaced: how many U+FFFD stand for them.
        size_bytes: how many bytes they are.
        lines: how many lines hold some.
        first: offset of the first such line; None when there is none.
    """

    replaced: int = 0
    size_bytes: int = 0
    lines: int = 0
    first: int | None = None

    def line(self, line: bytes, offset: int) -> str:
        """The text of a line that is not UTF-8, which is counted.

        Args:
            line: its bytes.
            offset: where it begins in the input.
        """
        text = line.decode("utf-8", "replace")
        replaced = text.count(REPLACEMENT) - line.count(_REPLACEMENT_BYTES)
        self.replaced += replaced
        self.size_bytes += len(line) - len(text.encode()) + replaced * len(_REPLACEMENT_BYTES)
        self.lines += 1
        self.first = offset if self.first is None else self.first
        return text

    def whole_lines(self, data: bytes, offset: int) -> None:
        """Counts what is not UTF-8 of whole lines, which begin at an offset of the input."""
        if data.isascii():
            return
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            for line in data.split(b"\n"):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    self.line(line, offset)
                offset += len(line) + 1
