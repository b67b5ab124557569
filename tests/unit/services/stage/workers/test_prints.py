"""A job's output is passed on in whole lines, up to a limit."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stage.workers.prints import Allowance, flush_prints, print_line_by_line


@given(st.lists(st.binary(max_size=30)), st.integers(0, 200))
def test_whole_lines_within_the_limit(pieces: list[bytes], limit: int) -> None:
    """In any pieces, the start of the output is passed on in whole lines; the rest is counted."""
    allowance = Allowance(limit)
    passed = b"".join(map(allowance.pass_on, pieces)) + allowance.rest()
    printed = b"".join(pieces)
    printed += b"" if printed.endswith(b"\n") or not printed else b"\n"
    assert printed.startswith(passed)
    assert len(passed) <= limit
    assert passed == b"" or passed.endswith(b"\n")
    assert len(printed) == len(passed) + allowance.left_out


def test_all_of_little_is_passed_on() -> None:
    """Short output is passed on whole, also a last line without an end."""
    allowance = Allowance(100)
    assert b"one\n" == allowance.pass_on(b"one\ntw")
    assert b"two\n" == allowance.pass_on(b"o") + allowance.rest()
    assert 0 == allowance.left_out


def test_lines_are_written_when_they_are_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A line does not wait in a buffer, and the rest of one is written on request, whatever a job
    has put in the place of a stream.
    """
    path = tmp_path / "out"
    with path.open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        print_line_by_line()
        stream.write("a line\na part")
        assert "a line" in path.read_text()
        monkeypatch.setattr("sys.stderr", None)
        print_line_by_line()
        flush_prints()
        assert "a line\na part" == path.read_text()
