"""The reference run, compared with answers by hand."""

from __future__ import annotations

from typing import Any

import pytest

from mapreduce import Chain, Count, Job
from mapreduce.errors import UsageError
from mapreduce.testing import plain_answer, plain_lines, run
from mapreduce_jobs.inverted_index import InvertedIndex
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.sample_jobs import Everything, FloatTotals, LineOrder, MeanLength


def test_plain_lines() -> None:
    """Lines end only at line feeds, offsets count bytes, and a byte order mark is removed at the
    start.
    """
    content = b"\xef\xbb\xbfa\r\n\nb\rc\n\xef\xbb\xbfd\xff"
    assert [(0, "a"), (6, ""), (7, "b\rc"), (11, "\ufeffd\ufffd")] == plain_lines(content)
    assert [] == plain_lines(b"")
    assert [(0, "")] == plain_lines(b"\n") == plain_lines(b"\r\n")


def test_word_count() -> None:
    """Words are counted over all inputs, in key order."""
    assert [("a", 3), ("b", 1), ("don't", 1)] == plain_answer(
        WordCount(), [("u", b"b a\nA"), ("v", b""), ("w", "don\u2019t a".encode())]
    )


def test_inverted_index() -> None:
    """Each word has the files that contain it, in the order of the inputs."""
    expected = [("cat", [["u", 1], ["v", 2]]), ("dog", [["v", 1]])]
    assert expected == plain_answer(
        InvertedIndex(min_length=2), [("u", b"a cat"), ("v", b"cat dog\ncat")]
    )


def test_own_steps() -> None:
    """The reference run uses a job's hooks and reduce, and ignores its partition and combine."""
    expected = [
        ("ab 2", 1),
        ("ba: 2", {"total": 1, "key": (2, "ba")}),
        ("lines: 0", {"total": 2, "key": (0, "lines")}),
        ("senil 0", 2),
    ]
    assert expected == plain_answer(Everything(min_length=2), [("u", b"ba\nc")])


def test_aggregations() -> None:
    """Sums are exact, means are rounded once, and lists keep the order."""
    assert [(b"a", 1.5), (b"b", 3.0)] == plain_answer(MeanLength(), [("u", b"a bbb aa")])
    ((key, value),) = plain_answer(LineOrder(), [("u", b"xy")])
    assert (("x", b"x"), [["u", 0, "xy", None, {"odd": False}]]) == (key, value)
    assert [0, 1] == [key for key, _ in plain_answer(FloatTotals(), [("u", b"\na\n\n")])]


class Rounds(Chain):
    """Counts words, then the words of each count, with the first step's records as a parameter."""

    def steps(self) -> Any:
        counted = yield WordCount()
        assert [("a", 3), ("b", 1)] == sorted(counted.pairs())
        yield Times(words=counted.records)


class Times(Job):
    """How many words occur how often."""

    words: int = 0
    reduce = Count()

    def map(self, key: str, value: int) -> Any:
        self.count("words", self.words)
        yield (value, self.input), key


def test_a_chain() -> None:
    """A chain runs step by step with exact types, and its answer is the last step's."""
    for splits in (1, 3):
        answer = run(Rounds(), ["a b a", "a"], splits=splits)
        assert [([1, "previous"], 1), ([3, "previous"], 1)] == sorted(answer.pairs)
        assert {"words": 4} == answer.counters


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: run(WordCount(), "a text"), "a list of lines, not one text"),
        (lambda: run(WordCount(), b"a text"), "a list of lines, not one text"),  # type: ignore[arg-type]
        (
            lambda: run(WordCount, ["a"]),  # type: ignore[arg-type]
            r"an instance of a job or chain, .* write run\(MyJob\(\)",
        ),
        (lambda: run(WordCount(), inputs={"a": "text"}), "takes inputs as bytes, by name"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments(call: Any, named: str) -> None:
    """A wrong argument is refused with the remedy."""
    with pytest.raises(UsageError, match=named):
        call()
