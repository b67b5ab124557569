"""A job's result is right however it is run, and the ledger balances."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from mapreduce.engine.run import task_error
from mapreduce.errors import CorruptBlock, InputChanged, RecordError, UserCodeError
from mapreduce.formats.compression import MAGIC_BYTES, compression_of
from mapreduce.job import Job
from mapreduce.testing import plain_answer
from mapreduce.wire.messages import SplitMode
from mapreduce_jobs.inverted_index import InvertedIndex
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import as_json, engine, json_order
from tests.unit.mapreduce.sample_jobs import (
    Everything,
    FirstOffsets,
    FloatTotals,
    LineOrder,
    LongestLine,
    MeanLength,
)

fragments = st.sampled_from(
    [
        *(b"\n", b"\n", b"\r\n", b" ", b"the ", b"the ", b"a", b"don't ", b"x" * 90),
        *(text.encode() for text in ("Straße ", "don\u2019t ", "nai\u0308ve ", "日本 ")),
        *(b"\xff", b"\xe2\x82", b"\x00", b"\xef\xbb\xbf"),
    ]
)
contents = st.lists(fragments, max_size=60).map(b"".join) | st.binary(max_size=60)
inputs_of_a_run = st.lists(contents, min_size=1, max_size=3)

JOBS: list[tuple[type[Job], dict[str, Any]]] = [
    (WordCount, {}),
    (InvertedIndex, {"min_length": 2}),
    (FloatTotals, {}),
    (Everything, {"min_length": 2}),
    (LineOrder, {}),
    (MeanLength, {}),
    (LongestLine, {}),
    (FirstOffsets, {}),
]


@pytest.mark.parametrize(("job", "parameters"), JOBS, ids=[job.__name__ for job, _ in JOBS])
@settings(max_examples=25)
@given(
    texts=inputs_of_a_run,
    splits=st.integers(1, 64),
    partitions=st.integers(1, 5),
    mode=st.sampled_from(["range", "copy"]),
    memory_bytes=st.sampled_from([64 << 20, 1_600, 6_400]),
)
@example(texts=[b""], splits=3, partitions=2, mode="range", memory_bytes=6_400)
@example(texts=[b"", b"a\n", b""], splits=64, partitions=1, mode="copy", memory_bytes=6_400)
@example(
    texts=[b"the the\na\nthe", b"no feed"],
    splits=15,
    partitions=5,
    mode="range",
    memory_bytes=1_600,
)
@example(texts=[b"\n" * 30], splits=64, partitions=1, mode="range", memory_bytes=6_400)
def test_a_run_gives_the_plain_answer(
    job: type[Job],
    parameters: dict[str, Any],
    texts: list[bytes],
    splits: int,
    partitions: int,
    mode: SplitMode,
    memory_bytes: int,
) -> None:
    """For any text, splits, partitions, mode and memory the result is the reference run's, and the
    ledger balances.
    """
    # random bytes may begin like a compressed file
    assume(
        all(
            compression_of(text[:MAGIC_BYTES], cut=len(text) <= MAGIC_BYTES) is None
            for text in texts
        )
    )
    with engine(job, memory_bytes, **parameters) as stages:
        inputs = stages.put(texts)
        try:
            run = stages.whole_run(inputs, splits, partitions, mode)
        except RecordError as exc:  # random bytes may be refused, for example as an archive
            assume("cannot be read as text" not in str(exc))
            raise
        plain = plain_answer(
            job(**parameters),
            [(given.url, text) for given, text in zip(inputs, texts, strict=True)],
        )
        assert repr(as_json(plain)) == repr(run.pairs())
        assert () == run.ledger.discrepancies
        assert sum(map(len, texts)) == run.ledger.bytes_in
        assert (
            sum(text.count(b"\n") + (text[-1:] not in (b"\n", b"")) for text in texts)
            == run.ledger.records_in
        )
        assert len(plain) == run.ledger.records_out
        for part in run.parts:
            assert part == sorted(part, key=json_order)
        assert [] == list((stages.folder / "scratch").iterdir())


def test_result_is_one_json_document() -> None:
    """With one partition the part is a JSON object in key order."""
    with engine(WordCount) as stages:
        run = stages.whole_run(stages.put([b"b a c a\nB a"]), splits=3, partitions=1)
        document = stages.storage.read(run.reduces[0].url)
        assert [("a", 3), ("b", 2), ("c", 1)] == list(json.loads(document).items())
        assert (("a", 3), ("b", 2), ("c", 1)) == run.reduces[0].top


def test_attempts_write_their_own_objects() -> None:
    """A second attempt at a map writes the same bytes to another object, and keeps the first."""
    with engine(WordCount) as stages:
        planned = stages.split(stages.put([b"a b\nc"]))
        first = stages.map(planned.splits[0], attempt="0")
        second = stages.map(planned.splits[0], attempt="1")
        assert first.url != second.url
        assert stages.storage.read(first.url, etag=first.etag) == stages.storage.read(second.url)


@pytest.mark.slow
def test_line_of_50_megabytes() -> None:
    """A line far longer than its splits is one record of one map task."""

    class Lengths(Job):
        def map(self, key: int, value: str) -> list[tuple[int, int]]:
            return [(key, len(value))]

        def reduce(self, key: int, values: Any) -> list[tuple[int, int]]:
            return [(key, sum(values))]

    content = b"short\n" + b"x" * (50 << 20) + b"\nlast"
    with engine(Lengths, memory_bytes=400 << 20) as stages:
        run = stages.whole_run(stages.put([content]), splits=7, partitions=1)
        assert [(0, 5), (6, 50 << 20), (len(content) - 4, 4)] == run.pairs()
        assert [2, 0, 0, 0, 0, 0, 1] == [result.records_in for result in run.maps]
        assert run.ledger.balanced


def test_errors_as_messages() -> None:
    """An error is sent as its class and message; a user's error with traceback, place and record;
    MemoryError as a lost task.
    """
    user = UserCodeError("m", traceback="t", place="p", record="r", url="u", offset=7)
    assert ("UserCodeError", "m", "t", "p", "r", "", "u", 7) == tuple(
        task_error(user).model_dump().values()
    )
    assert task_error(user).cause is UserCodeError
    unforeseen = task_error(KeyError("x"))
    assert ("InternalError", "KeyError: 'x'") == (unforeseen.kind, unforeseen.message)
    assert ("CorruptBlock", "x") == (
        task_error(CorruptBlock("x")).kind,
        task_error(CorruptBlock("x")).message,
    )
    assert "InputChanged" == task_error(InputChanged()).message
    assert "TaskLost" == task_error(MemoryError()).kind
