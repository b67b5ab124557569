"""What a job prints in this process is copied, and still reaches the stream."""

from __future__ import annotations

import io
import sys

import pytest

from driver.transport.printed import Copied, printed
from mapreduce.wire.printed import PrintedLines


def test_prints_are_copied(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints are shown and kept; afterwards standard output is as before."""
    before = sys.stdout
    with printed() as lines:
        sys.stdout.write("one\n")
        sys.stdout.write("two")
        sys.stdout.flush()
    assert "one\ntwo" == capsys.readouterr().out
    assert (("one", "two"), 0) == lines.take()
    assert sys.stdout is before


def test_prints_without_a_stream_are_kept() -> None:
    """A process without standard output keeps the lines, and a lone surrogate is an escape."""
    lines = PrintedLines()
    copied = Copied(None, lines)
    assert 3 == copied.write("a\ud800\n")
    copied.flush()
    assert (("a\\ud800",), 0) == lines.take()
    assert (True, False) == (copied.writable(), copied.isatty())
    assert not Copied(io.StringIO(), lines).isatty()


def test_bytes_of_a_job_are_prints_too(capsys: pytest.CaptureFixture[str]) -> None:
    """A job may use what a text stream has: its bytes, its encoding, `reconfigure`."""
    with printed() as lines:
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        sys.stdout.buffer.write(b"x\xff\n")
        sys.stdout.buffer.flush()
        assert sys.stdout.encoding.lower() == "utf-8"
    assert (("x\\xff",), 0) == lines.take()
    assert "x\\xff\n" == capsys.readouterr().out
