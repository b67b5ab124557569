"""Values, one a line: each is a map task of its own, with its number."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapreduce import Job, Sum
from mapreduce.errors import InputError
from mapreduce.formats import values as module
from mapreduce.formats.json_values import jsonable
from mapreduce.formats.values import value_of, value_ranges
from mapreduce.input_formats import Values
from mapreduce.testing import PlainInput, plain_answer, run

lines = st.lists(
    st.sampled_from([b"", b"  ", b"\r", b"7", b"0.5\r", b'{"a": [1]}', b"NaN", b"1e999", b"\xff"])
    | st.text('ab"[]{}1e. \u00e9', max_size=6).map(str.encode),
    min_size=1,
    max_size=12,
)


class Seen(Job):
    """The numbers and values that `map` gets."""

    def map(self, number: int, value: Any) -> Iterator[tuple[int, Any]]:
        yield number, [value, self.source]


class Total(Job):
    """Adds values up."""

    reduce = Sum()

    def map(self, number: int, value: int) -> Iterator[tuple[str, int]]:
        yield "all", value


def values_in(content: bytes) -> PlainInput:
    """Return an input of values."""
    return PlainInput("values.txt", content, format=Values())


@given(lines)
def test_a_run_sees_each_value_once_with_its_number(given: list[bytes]) -> None:
    """Blank lines are no values, whatever the line ends; the definition sees the same."""
    content = b"\n".join(given)
    texts = [line for line in given if line.strip()]
    if not texts:
        with pytest.raises(InputError, match="has no values"):
            run(Seen(), inputs=[values_in(content)])
        return
    answer = run(Seen(), inputs=[values_in(content)])
    assert list(range(len(texts))) == [key for key, _ in answer.pairs]
    assert len(texts) == len(answer.parts)
    expected = plain_answer(Seen(), [values_in(content)])
    assert repr(answer.pairs) == repr([(key, jsonable(value)) for key, value in expected])


@given(lines)
def test_ranges_lie_side_by_side(given: list[bytes]) -> None:
    """The byte ranges are the whole file, each with one line that is not blank."""
    content = b"\n".join([*given, b"x"])
    ranges = value_ranges(content, "u")
    assert [0, *(end for _, end in ranges)] == [*(start for start, _ in ranges), len(content)]
    for start, end in ranges:
        assert 1 == sum(bool(line.strip()) for line in content[start:end].split(b"\n"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ('"7"', "7"),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ("a b", "a b"),
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_a_value_is_json_or_text(text: str, value: Any) -> None:
    """What JSON does not define is a text."""
    assert repr(value) == repr(value_of(text))


def test_values_are_reduced() -> None:
    """A job with a reduce adds up what the tasks of all values yield."""
    answer = run(Total(), inputs=[values_in(b"1\n2\n3\n")], partitions=3)
    assert [("all", 6)] == answer.pairs


def test_files_that_are_not_short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed file and too many values are refused, with what to do."""
    with pytest.raises(InputError, match="is compressed; --over takes a short text file"):
        run(Seen(), inputs=[values_in(gzip.compress(b"1\n"))])
    monkeypatch.setattr(module, "MOST_VALUES", 2)
    with pytest.raises(InputError, match="has 3 values, and the limit is 2"):
        value_ranges(b"1\n2\n3", "u")
