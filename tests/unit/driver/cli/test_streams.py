"""Standard streams that are full, closed, gone, or lack a character."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

from driver.cli.streams import OutputStream, QuietStream, unhurried
from mapreduce.errors import NotWritten


class _Full(io.StringIO):
    """A stream on a full disk, until there is room."""

    room = False

    def write(self, text: str) -> int:
        """Write, or fail as a full disk does."""
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)

    def isatty(self) -> bool:
        """A terminal that has gone away."""
        raise OSError(errno.EIO, "Input/output error")


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("below", [None, _Full(), _closed()])
def test_standard_error_goes_quiet(below: io.StringIO | None) -> None:
    """There is none, it is full, it is closed: nothing is raised."""
    stream = QuietStream(below)
    assert stream.write("text\n") == 5
    stream.flush()
    assert not stream.isatty()


def test_standard_error_speaks_again_when_there_is_room() -> None:
    """What was written meanwhile is gone, and nothing after it."""
    full = _Full()
    stream = QuietStream(full)
    stream.write("lost\n")
    full.room = True
    stream.write("seen\n")
    assert full.getvalue() == "seen\n"


@pytest.mark.parametrize("below", [None, _Full(), _closed()])
def test_standard_output_says_once_that_it_cannot_be_written(below: io.StringIO | None) -> None:
    """A program that reads it must know; the end of the process must not trip over it again."""
    stream = OutputStream(below)
    with pytest.raises(NotWritten, match="standard output"):
        stream.write("{}\n")
    stream.write("more")
    stream.flush()


def test_a_character_that_the_encoding_lacks_is_escaped() -> None:
    """A terminal in ASCII shows the rest."""
    below = io.BytesIO()
    stream = QuietStream(io.TextIOWrapper(below, encoding="ascii", errors="strict"))
    stream.write("Zoë ✓\n")
    stream.flush()
    assert below.getvalue() == b"Zo\\xeb \\u2713\n"


def test_bytes_and_settings_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    """A job that writes bytes to its standard output, or changes its buffering, works as
    anywhere.
    """
    below = io.StringIO()
    stream = QuietStream(below)
    stream.reconfigure(line_buffering=True)
    assert stream.buffer.write(b"Zo\xc3\xab \xff\n") == 7
    stream.buffer.flush()
    assert below.getvalue() == "Zoë \\xff\n"


def test_a_reader_who_does_not_read_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-S: texts beyond a full pipe wait or are dropped, and the first ones come in order."""
    reader, writer = os.pipe()
    monkeypatch.setattr("driver.cli.streams.DRAIN_S", 0.01)
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with unhurried():
            for number in range(5000):
                sys.stderr.write(f"{number}".rjust(99) + "\n")
        assert sys.stderr is stream
        seen = os.read(reader, 10_000).decode().split()
    os.close(reader)
    assert seen[:90] == [str(number) for number in range(90)]


def test_all_texts_are_written_when_there_is_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """In their order, before the stream is as it was."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        stream.write("before\n")
        with unhurried():
            sys.stderr.write("Zoë\n")
        stream.write("after\n")
        stream.flush()
        assert os.read(reader, 1000) == b"before\nZo\\xeb\nafter\n"
    os.close(reader)
