"""Makes text that is not ours safe to show and to keep: every character visible, limited in length.

Keys, messages, tracebacks, file names and output of other programs may hold escape codes,
bidirectional controls or ten megabytes. Shown text is for people; `--json` and the result itself
hold the exact characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

CELL_LIMIT = 60
"""Characters of a key or a value in a table."""
NAME_LIMIT = 100
"""Characters of a name in a table: of a run, a job."""
LINE_LIMIT = 500
"""Characters of a message in a line."""
BLOCK_LIMIT = 20_000
"""Characters of a text of several lines: on the terminal, and in a failed run's message."""
TRACEBACK_LINES = 60
"""Lines of a traceback on the terminal."""
MESSAGE_LIMIT = 2_000
"""Characters of a text of an event: a message, a place, a status."""
TRACEBACK_LIMIT = 20_000
"""Characters of a traceback in a record of a run."""

_NOT_PLAIN = re.compile(r"[^\x20-\x7e\n]")
# printable by Unicode's categories, and yet invisible: fillers, joiners, variation selectors
_INVISIBLE = frozenset(
    map(
        chr, [0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0]
    )
) | frozenset(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))


def shown(value: object, limit: int = LINE_LIMIT) -> str:
    r"""Return a value as one line for a terminal.

    Control, format and bidirectional characters, line ends, lone surrogates and invisible
    characters become escapes such as `\x1b` and `\u2028`. A backslash stays one backslash, so a
    shown text does not change when it is shown again.

    Args:
        value: a text, or a value that `str` converts.
        limit: in characters; a longer text is cut, and followed by the number of characters left
            out.
    """
    return _shown(text_of(value), limit, _escape)


def shown_repr(value: object, limit: int = LINE_LIMIT) -> str:
    """Return a value as `shown` does, in Python's notation: a text has quotes."""
    return _shown(text_of(value, repr), limit, _escape)


def shown_lines(text: str, limit: int = BLOCK_LIMIT) -> str:
    """Return a text as `shown` does, with its line ends kept and its tabs as spaces."""
    return _shown(text, limit, _escape_but_line_ends)


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text, and how many characters are left out."""
    return text if len(text) <= limit else f"{text[:limit]}{_left_out(len(text) - limit)}"


def cut_middle(text: str, limit: int) -> str:
    """Return the beginning and the end of a text, and how many characters between are left out."""
    if len(text) <= limit:
        return text
    head = limit // 2
    return f"{text[:head]}\n  {_left_out(len(text) - limit)}\n{text[len(text) - limit + head :]}"


def storable(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """Return a text that a record can hold: cut to a limit, lone surrogates as escapes."""
    return cut(text, limit).encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(document: str, *, ascii_only: bool = False) -> str:
    """Return an equivalent JSON document without control or invisible characters.

    Args:
        document: JSON, whose strings may hold any character.
        ascii_only: escape every character beyond ASCII, for a stream whose encoding is not UTF-8.
    """

    def escaped(found: re.Match[str]) -> str:
        char = found[0]
        if not ascii_only and _is_visible(char):
            return char
        units = char.encode("utf-16-be", "surrogatepass")
        return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

    return _NOT_PLAIN.sub(escaped, document)


def text_of(value: object, as_text: Callable[[object], str] = str) -> str:
    """Return a value as text, also a value that Python refuses to convert."""
    try:
        return as_text(value)
    # an integer of more than 4,300 digits, or too deeply nested lists
    except (ValueError, RecursionError):
        return f"a {type(value).__name__} that is too long to show"


def _shown(text: str, limit: int, escape: Callable[[str], str]) -> str:
    pieces: list[str] = []
    length = 0
    for char in text[:limit]:
        piece = char if " " <= char <= "~" else escape(char)
        length += len(piece)
        if length > limit:
            break
        pieces.append(piece)
    left_out = len(text) - len(pieces)
    return "".join(pieces) + (_left_out(left_out) if left_out else "")


def _left_out(count: int) -> str:
    return f"… ({count:,} more character{'' if count == 1 else 's'})"


def _is_visible(char: str) -> bool:
    return char.isprintable() and char not in _INVISIBLE


def _escape(char: str) -> str:
    return char if _is_visible(char) else char.encode("unicode_escape").decode("ascii")


def _escape_but_line_ends(char: str) -> str:
    if char == "\n":
        return char
    return "    " if char == "\t" else _escape(char)


def bytes_text(size: float) -> str:
    """Return a size in binary units: `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 task`, `2 tasks`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def interruption_text(exc: KeyboardInterrupt) -> str:
    """Return the line of an interruption: its own, where the same command does not go on."""
    return str(exc) or "interrupted; run the same command again to continue"
