"""The start of each input, and the inputs of a chain's steps."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from driver.authoring.sample import MOST_STEPS, checked_jobs, sampled
from mapreduce import Chain, Csv, Job, Sum, Text
from mapreduce.check.reference import PlainInput
from mapreduce.errors import InputError, JobLoadError
from mapreduce.input_formats import Pairs, WholeFile
from mapreduce.storage import open_storage


class Words(Job):
    """Words of text."""

    reduce = Sum()

    def map(self, key, line):  # type: ignore[no-untyped-def]
        for word in line.split():
            yield word, 1


class Files(Words):
    """Whole files."""

    input_format = WholeFile()


class Rows(Words):
    """Rows of CSV."""

    input_format = Csv()


def _contents(folder: Path, limit: int, job: type[Job] = Words) -> list[bytes]:
    return [each.content for each in sampled([str(folder)], job, open_storage(), limit)]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (100, [b"one\ntwo\nthree", b"four\nfive\n"]),
        (23, [b"one\ntwo\nthree", b"four\nfive\n"]),
        (22, [b"one\ntwo\nthree", b"four\n"]),
        (13, [b"one\ntwo\nthree", b"four\n"]),
        (8, [b"one\ntwo\n", b"four\n"]),
        (9, [b"one\ntwo\n", b"four\n"]),
        (7, [b"one\n", b"four\n"]),
        (1, [b"one\n", b"four\n"]),
    ],
)
def test_inputs_are_cut_at_a_line(tmp_path: Path, limit: int, expected: list[bytes]) -> None:
    """The inputs together get the limit, and each keeps at least its first line."""
    (tmp_path / "a").write_bytes(b"one\ntwo\nthree")
    (tmp_path / "b").write_bytes(b"four\nfive\n")
    assert expected == _contents(tmp_path, limit)


def test_one_line_without_an_end_is_whole(tmp_path: Path) -> None:
    """A line without an end is not cut."""
    (tmp_path / "a").write_bytes(b"no end at all")
    assert [b"no end at all"] == _contents(tmp_path, 3)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (100, b'k\n"a\nb"\n"c""\n\nd"\ne\n'),
        (18, b'k\n"a\nb"\n"c""\n\nd"\n'),
        (16, b'k\n"a\nb"\n'),
        (7, b"k\n"),
        (1, b"k\n"),
    ],
)
def test_rows_are_cut_at_no_line_end_in_quotes(tmp_path: Path, limit: int, expected: bytes) -> None:
    """A field with line ends stays whole."""
    (tmp_path / "a").write_bytes(b'k\n"a\nb"\n"c""\n\nd"\ne\n')
    assert [expected] == _contents(tmp_path, limit, Rows)


class Titled(Words):
    """Rows of CSV below a title and a comment."""

    input_format = Csv(skip=1, comment="#")


def test_quotes_above_the_first_row_quote_nothing(tmp_path: Path) -> None:
    """A title with a quote, here of inches, changes no row behind it."""
    top = b'5" disks\n# 3" disks are "small\n'
    (tmp_path / "a").write_bytes(top + b'k\n"a\nb"\n"c\nd"\n')
    expected = {1: 9, len(top): len(top), len(top) + 6: len(top) + 2, len(top) + 8: len(top) + 8}
    for limit, length in expected.items():
        assert [length] == [len(content) for content in _contents(tmp_path, limit, Titled)]


def test_a_first_row_longer_than_the_limit_is_whole(tmp_path: Path) -> None:
    """Also if it has line ends in quotes."""
    (tmp_path / "a").write_bytes(b'"a\n\nb",c\n1,2\n')
    assert [b'"a\n\nb",c\n'] == _contents(tmp_path, 4, Rows)


def test_inputs_without_lines_are_whole(tmp_path: Path) -> None:
    """A compressed file, and a file that is one record, are not cut."""
    packed = gzip.compress(b"one\ntwo\n")
    (tmp_path / "a.gz").write_bytes(packed)
    assert [packed] == _contents(tmp_path, 3)
    assert [packed] == _contents(tmp_path, 3, Files)


def test_empty_inputs_are_left_out_unless_all_are(tmp_path: Path) -> None:
    """Empty inputs are left out, unless all are empty."""
    (tmp_path / "a").write_bytes(b"")
    assert [b""] == _contents(tmp_path, 9)
    (tmp_path / "b").write_bytes(b"x\n")
    assert [b"x\n"] == _contents(tmp_path, 9)


def test_an_input_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """A missing input raises InputError."""
    with pytest.raises(InputError):
        _contents(tmp_path / "none", 9)


class Totals(Job):
    """Adds up the values of all keys."""

    input_format = Pairs()
    reduce = Sum()

    def map(self, key, value):  # type: ignore[no-untyped-def]
        yield "all", value


class Several(Chain):
    """Counts words, then adds up the counts, then reads both; then `more` steps."""

    more: int = 0

    def steps(self):  # type: ignore[no-untyped-def]
        counted = yield Words()
        assert sorted(counted.pairs()) == [("one", 2), ("two", 1)]
        total = yield Totals()
        assert (total.records, list(total.pairs())) == (1, [("all", 3)])
        for _ in range(self.more):
            yield Totals()


class Nothing(Chain):
    """Yields no step."""

    def steps(self):  # type: ignore[no-untyped-def]
        yield from ()


SAMPLE = [PlainInput("file:///a", b"one two\none\n", "", Text())]


def test_a_job_is_checked_on_its_sample() -> None:
    """A job is checked with its parameters on the sample."""
    ((make, inputs),) = checked_jobs(Words(), SAMPLE)
    assert (Words, SAMPLE) == (type(make()), inputs)


def test_a_step_is_checked_on_the_previous_pairs() -> None:
    """The first step is checked on the sample, and a later one on the previous steps' pairs."""
    (first, on_first), (second, on_second) = checked_jobs(Several(), SAMPLE)
    assert (Words, Totals) == (type(first()), type(second()))
    assert [each.content for each in SAMPLE] == [each.content for each in on_first]
    assert ["previous"] == [each.name for each in on_second]


def test_a_chain_without_an_end_is_checked_in_part() -> None:
    """Of a chain without an end only the first steps are checked."""
    assert MOST_STEPS == len(checked_jobs(Several(more=1000), SAMPLE))


def test_a_chain_without_steps_is_refused() -> None:
    """A chain without steps is refused."""
    with pytest.raises(JobLoadError, match="no step"):
        checked_jobs(Nothing(), SAMPLE)
