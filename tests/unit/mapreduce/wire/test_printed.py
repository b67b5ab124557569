"""The lines that a job prints go to the driver: whole, the first ones, and bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mapreduce.wire.messages import PRINTED_LINE, PRINTED_LINES, AttemptId, Said
from mapreduce.wire.printed import PRINTED_BYTES, PrintedLines

ATTEMPT = AttemptId(run="run-1", stage="map", index=3, attempt="0")


def _taken(lines: PrintedLines) -> tuple[tuple[str, ...], int]:
    lines.flush()
    return lines.take()


def _cut(text: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


@given(st.binary(max_size=200), st.lists(st.integers(0, 30)), st.integers(1, 12))
def test_any_pieces_make_the_same_lines(text: bytes, sizes: list[int], most: int) -> None:
    """However output arrives, its lines are the same, and every byte of the others is counted."""
    lines = PrintedLines(most=most)
    for piece in _cut(text, sizes):
        lines.add(piece)
    expected = text.removesuffix(b"\n").split(b"\n") if text else []
    found, left_out = _taken(lines)
    assert found == tuple(
        line.removesuffix(b"\r").decode(errors="backslashreplace") for line in expected[:most]
    )
    assert left_out == len(b"\n".join(expected[most:])) + (
        text.endswith(b"\n") if expected[most:] else 0
    )


@given(st.lists(st.binary(max_size=60)), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_no_output_is_beyond_the_limits(
    pieces: list[bytes], most: int, length: int, limit: int
) -> None:
    """Lines, their lengths and their sum are bounded, for any output."""
    lines = PrintedLines(most, length, limit)
    found: list[str] = []
    for piece in pieces:
        lines.add(piece)
        found += lines.take()[0]
    found += _taken(lines)[0]
    assert len(found) <= most
    assert all(len(line) <= length for line in found)
    assert all("\n" not in line for line in found)


def test_a_long_line_is_one_line() -> None:
    """Of a line without end the beginning is kept, and the next line is the next."""
    lines = PrintedLines()
    for _ in range(100):
        lines.add(b"x" * 10_000)
    lines.add(b"\nnext\n")
    found, left_out = _taken(lines)
    assert ("x" * PRINTED_LINE, "next") == found
    assert 1_000_000 - PRINTED_LINE <= left_out <= 1_000_001


def test_megabytes_keep_nothing_in_memory() -> None:
    """After the limit, output is counted and dropped, and the lines end without a gap."""
    lines = PrintedLines()
    lines.add(b"first\n")
    for _ in range(200):
        lines.add((b"y" * 999 + b"\n") * 100)
    found, left_out = _taken(lines)
    assert sum(map(len, found)) <= PRINTED_BYTES
    assert left_out >= 200 * 100 * 1000 - PRINTED_BYTES - len(found)
    assert ((), 0) == _taken(lines)


def test_the_longest_output_is_an_event() -> None:
    """What is kept of the longest output can be sent, whatever bytes it has."""
    lines = PrintedLines()
    for _ in range(PRINTED_LINES * 2):
        lines.add(b"\xff\x00" * 100 + b"\n")
    found, left_out = _taken(lines)
    said = Said(attempt=ATTEMPT, lines=found, left_out=left_out)
    assert said == Said.model_validate_json(said.model_dump_json())
