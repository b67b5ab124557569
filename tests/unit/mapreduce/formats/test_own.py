"""An author's own format: its records reach `map`, and `check_format` finds what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

from mapreduce import Job, Sum
from mapreduce.check.reference import PlainInput, plain_answer
from mapreduce.errors import JobLoadError, RecordError, UserCodeError
from mapreduce.input_formats import InputFormat, of_own
from mapreduce.testing import check_format, run
from tests.unit.mapreduce.formats.test_compression import PACK

CONTENT = b"ab\ncd\n\nef"


class Whole(InputFormat):
    """Words between marks; one task reads a file."""

    def __init__(self, mark: str = "\n") -> None:
        self.mark = mark
        self._compiled = re.compile(mark)

    def read(self, file: BinaryIO) -> Iterator[tuple[int, str]]:
        yield from enumerate(self._compiled.split(file.read().decode()))


class Lines(InputFormat):
    """Lines; a file is cut."""

    def read(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        at = 0
        while line := file.readline():
            yield at, line
            at += len(line)

    def read_range(self, file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        at = max(0, start - 1)
        file.seek(at)
        if start:
            at += len(file.readline())
        while at < end and (line := file.readline()):
            yield at, line
            at += len(line)


class Forgets(Lines):
    """Begins in the middle of a line."""

    def read_range(self, file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        file.seek(start)
        while start < end and (line := file.readline()):
            yield start, line
            start += len(line)


class LosesTheLast(Lines):
    """Does not read beyond its range."""

    def read_range(self, file: BinaryIO, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        for at, line in super().read_range(file, start, end):
            if at + len(line) <= end:
                yield at, line


class Lengths(Job):
    """How many bytes each kind of record has."""

    input_format = Lines()
    reduce = Sum()

    def map(self, key: int, value: Any) -> Iterator[tuple[Any, int]]:
        yield value, 1
        yield "first byte", key


class Words(Job):
    """The words of whole files."""

    input_format = Whole(",")
    reduce = Sum()

    def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
        yield value, 1


@pytest.mark.parametrize("form", [Whole(), Lines()])
def test_good_formats(form: InputFormat) -> None:
    """A format whose records do not depend on the cut passes."""
    check_format(form, CONTENT)


@pytest.mark.parametrize(
    ("form", "found"),
    [
        (Forgets(), r"cut at byte 1 gives another record 1: \(0, b'ab"),
        (LosesTheLast(), r"cut at byte 1 gives \d records, and not 4|another record"),
    ],
)
def test_wrong_formats(form: InputFormat, found: str) -> None:
    """A format that loses or doubles records at a cut is refused with the cut and the record."""
    with pytest.raises(AssertionError, match="cut at byte 1"):
        check_format(form, CONTENT)


def test_content_without_a_record() -> None:
    """A test needs a record."""
    with pytest.raises(AssertionError, match="holds no record"):
        check_format(Lines(), b"")


@pytest.mark.parametrize("splits", [1, 2, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_a_job_reads_it(splits: int, packed: bool) -> None:
    """A run gives the answer of the reference run, with any number of splits."""
    content = PACK["gzip"](CONTENT) if packed else CONTENT
    inputs = [PlainInput("a.x", content), PlainInput("b.x", b"")]
    expected = plain_answer(Lengths(), inputs)
    answer = run(Lengths(), inputs=inputs, splits=splits)
    assert {"first byte": 16} == {key: value for key, value in expected if key == "first byte"}
    assert sorted(map(repr, answer.pairs)) == sorted(
        repr(({"base64": "YWIK"}.get("x", _json(key)), value)) for key, value in expected
    )


def _json(key: Any) -> Any:
    from mapreduce.formats.json_values import jsonable

    return jsonable(key)


def test_empty_files_of_a_whole_format() -> None:
    """A format that is not cut reads an empty file too."""
    inputs = [PlainInput("a.x", b""), PlainInput("b.x", b"x,y")]
    assert {"": 1, "x": 1, "y": 1} == dict(run(Words(), inputs=inputs).pairs)
    assert {"": 1, "x": 1, "y": 1} == dict(plain_answer(Words(), inputs))


def test_options_identify_a_format() -> None:
    """Public attributes are part of what a task's key holds, private ones are not."""
    assert of_own(Whole(",")) != of_own(Whole(";"))
    assert '{"mark": ","}' == of_own(Whole(",")).options
    assert not of_own(Whole()).is_cut
    assert of_own(Lines()).is_cut


def test_what_cannot_identify_a_format() -> None:
    """An attribute that JSON cannot hold is refused with another way to keep it."""
    form = Whole()
    form.pattern = form._compiled  # type: ignore[attr-defined]
    with pytest.raises(JobLoadError, match=r"`pattern` of Whole is a Pattern.*`self._pattern`"):
        of_own(form)


def test_a_format_without_read() -> None:
    """A format has to write `read`."""
    with pytest.raises(JobLoadError, match="the format InputFormat has no `read`"):
        check_format(InputFormat(), b"x")


@pytest.mark.parametrize("yielded", ["ab", (1, 2, 3), None])
def test_what_is_no_record(yielded: Any) -> None:
    """What is not a key and a value is refused as the author's error."""

    class Wrong(Whole):
        def read(self, file: BinaryIO) -> Iterator[Any]:
            yield yielded

    class Reads(Words):
        input_format = Wrong()

    with pytest.raises(RecordError, match="Wrong yielded .* not a record; write `yield key"):
        run(Reads(), inputs=[PlainInput("a", b"x")])


def test_an_error_of_a_format_names_it() -> None:
    """What a format raises is the author's error, in `read` and not in `map`."""

    class Raises(Whole):
        def read(self, file: BinaryIO) -> Iterator[Any]:
            yield 0, "a"
            raise ValueError("no more")

    class ReadsOn(Words):
        input_format = Raises()

    with pytest.raises(UserCodeError, match=r"Raises.read raised ValueError: no more") as caught:
        run(ReadsOn(), inputs=[PlainInput("a", b"x")])
    assert 'raise ValueError("no more")' in caught.value.traceback
    assert caught.value.record == ""
