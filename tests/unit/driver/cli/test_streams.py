"""Standard streams that are full, closed, gone, or lack a character."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TextIO, cast

import pytest

from driver.cli.streams import OutputStream, QuietStream, unhurried
from mapreduce.errors import NotWritten


class _Full(io.StringIO):
    """A stream on a full disk, until there is space."""

    space = False

    def write(self, text: str) -> int:
        """Write, or fail as a full disk does."""
        if not self.space:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)

    def isatty(self) -> bool:
        """Raise, like a terminal that has closed."""
        raise OSError(errno.EIO, "Input/output error")


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("below", [None, _Full(), _closed()])
def test_standard_error_goes_quiet(below: io.StringIO | None) -> None:
    """Writes to a missing, full or closed standard error raise nothing."""
    stream = QuietStream(below)
    assert stream.write("text\n") == 5
    stream.flush()
    assert not stream.isatty()


def test_standard_error_speaks_again_when_there_is_room() -> None:
    """When there is space again, later text is written, and the lost text stays lost."""
    full = _Full()
    stream = QuietStream(full)
    stream.write("lost\n")
    full.space = True
    stream.write("seen\n")
    assert full.getvalue() == "seen\n"


@pytest.mark.parametrize("below", [None, _Full(), _closed()])
def test_a_failing_standard_output_raises_once(below: io.StringIO | None) -> None:
    """A write to a full or closed standard output raises once, and not at the process's end."""
    stream = OutputStream(below)
    with pytest.raises(NotWritten, match="standard output"):
        stream.write("{}\n")
    stream.write("more")
    stream.flush()


def test_a_character_that_the_encoding_lacks_is_escaped() -> None:
    """An ASCII terminal gets escapes for other characters."""
    below = io.BytesIO()
    stream = QuietStream(io.TextIOWrapper(below, encoding="ascii", errors="strict"))
    stream.write("Zoë ✓\n")
    stream.flush()
    assert below.getvalue() == b"Zo\\xeb \\u2713\n"


def test_bytes_and_settings_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    """A job can write bytes to standard output, and change its buffering."""
    below = io.StringIO()
    stream = QuietStream(below)
    stream.reconfigure(line_buffering=True)
    assert stream.buffer.write(b"Zo\xc3\xab \xff\n") == 7
    stream.buffer.flush()
    assert below.getvalue() == "Zoë \\xff\n"


def test_a_stopped_reader_blocks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the reader stops, text beyond a full pipe waits or is dropped, without a reordering."""
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
    """All text is written in order before the original stream is restored."""
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


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EIO])
def test_a_reader_that_has_gone_is_no_error(number: int) -> None:
    """After a closed pipe (`| head`) or terminal, standard output drops what is written."""
    writes: list[str] = []

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            """Fail as a pipe without a reader does."""
            writes.append(text)
            raise OSError(number, "gone")

    output = OutputStream(Gone())
    for _ in range(3):
        output.write("x")
        output.flush()
    assert ["x"] == writes


def test_bytes_pass_as_they_are() -> None:
    """Bytes that are no text reach the descriptor unchanged, through streams over each other."""
    below = io.BytesIO()
    stream = OutputStream(cast("TextIO", OutputStream(io.TextIOWrapper(below))))
    assert stream.write_bytes(b"\x1f\x8b\xff\x00")
    stream.flush()
    assert b"\x1f\x8b\xff\x00" == below.getvalue()


def test_bytes_to_a_closed_stream() -> None:
    """Bytes to a standard output that is closed are an error of ours."""
    with pytest.raises(NotWritten, match="standard output cannot be written to"):
        OutputStream(None).write_bytes(b"x")
