"""Bad records are set aside one by one, independently of the splits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapreduce import Job, Sum
from mapreduce.check.reference import LeftOut, PlainInput, plain_answer
from mapreduce.engine import bad_records
from mapreduce.errors import RecordError, TooManyBadRecords
from mapreduce.input_formats import Csv, JsonLines
from mapreduce.wire.messages import SkippedRecord
from tests.unit.mapreduce.engine_run import as_json, engine


class Numbers(Job):
    reduce = Sum()

    def map(self, key: int, line: str) -> Iterable[tuple[str, int]]:
        """Yield two pairs a line; an invalid number fails between them."""
        self.count("lines")
        yield "seen", 1
        yield "total", int(line)


class Listed(Job):
    def map(self, key: int, line: str) -> Iterable[tuple[str, list[str]]]:
        """Yield a list, and change it afterwards."""
        items = [line]
        yield "line", items
        items.append("later")
        if line == "bad":
            yield "object", [object()]  # type: ignore[list-item]

    def reduce(self, key: str, values: Iterable[list[str]]) -> Iterable[tuple[str, list[str]]]:
        """Yield all lists."""
        yield key, sorted(item for items in values for item in items)


class Fields(Job):
    reduce = Sum()

    def map(self, key: int, value: Any) -> Iterable[tuple[str, int]]:
        """Yield a number of the record."""
        yield "total", int(value["n"])


class Once(Job):
    """Fails on the first of all calls."""

    reduce = Sum()
    calls = 0

    def map(self, key: int, line: str) -> Iterable[tuple[str, int]]:
        """Yield one pair."""
        Once.calls += 1
        if Once.calls == 1:
            raise OSError("a disk that was away")
        yield line, 1


@settings(max_examples=25, deadline=None)
@given(
    lines=st.lists(st.sampled_from(["1", "22", "bad", "", "x"]), max_size=30),
    splits=st.integers(1, 6),
)
def test_the_answer_is_that_of_the_good_records(lines: list[str], splits: int) -> None:
    """In any splits the same records are set aside, and the rest gives the right answer."""
    content = "".join(f"{line}\n" for line in lines).encode()
    with engine(Numbers) as stages:
        inputs = stages.put([content])
        maps = [stages.map(split, skip_limit=100) for split in stages.split(inputs, splits).splits]
        places = [record.place for result in maps for record in result.skipped]
        offsets = [
            sum(len(line) + 1 for line in lines[:at])
            for at, line in enumerate(lines)
            if not line.isdigit()
        ]
        assert [f"{inputs[0].url} at byte {offset}" for offset in offsets] == places
        good = sum(map(str.isdigit, lines))
        left_out = LeftOut(
            frozenset((record.url, record.key) for result in maps for record in result.skipped)
        )
        plain = plain_answer(Numbers(), [PlainInput(inputs[0].url, content)], [left_out])
        found = stages.pairs(stages.reduce(maps)) if maps else []
        assert as_json(plain) == found
        assert good == sum(result.records_in for result in maps)
        assert good == sum(result.counters.get("lines", 0) for result in maps)
        assert len(offsets) == sum(result.counters.get("skipped_records", 0) for result in maps)


def test_the_error_of_a_bad_record_is_kept() -> None:
    """A record set aside has the message and the author's frames."""
    with engine(Numbers) as stages:
        (split,) = stages.split(stages.put([b"1\nbad\n"])).splits
        (record,) = stages.map(split, skip_limit=1).skipped
        assert "bad" == record.record
        assert (
            "map raised ValueError: invalid literal for int() with base 10: 'bad'" == record.message
        )
        assert "in map" in record.traceback
        assert record.traceback.endswith(
            "ValueError: invalid literal for int() with base 10: 'bad'\n"
        )


def test_one_more_than_allowed() -> None:
    """One bad record more than allowed fails the task with the number, the first places and the
    last error.
    """
    with engine(Numbers) as stages:
        (split,) = stages.split(stages.put([b"a\n1\nb\nc\n"])).splits
        assert 3 == len(stages.map(split, skip_limit=3).skipped)
        with pytest.raises(
            TooManyBadRecords, match=r"more than 2 records .*--skip-bad-records 2.*3 so far"
        ) as caught:
            stages.map(split, skip_limit=2)
        url = f"file://{stages.folder}/input/0.txt"
        assert (
            f"the first at {url} at byte 0, {url} at byte 4, {url} at byte 6"
            in caught.value.message
        )
        assert "ValueError" in caught.value.message
        assert "in map" in caught.value.traceback


def test_yielded_values_are_kept_as_yielded() -> None:
    """A yielded value is kept as it was when yielded, and of a failing record no pair is kept."""
    with engine(Listed) as stages:
        (split,) = stages.split(stages.put([b"a\nbad\nb\n"])).splits
        mapped = stages.map(split, skip_limit=1)
        assert ["bad"] == [record.record for record in mapped.skipped]
        assert "cannot be carried" in mapped.skipped[0].message
        assert [("line", ["a", "b"])] == stages.pairs(stages.reduce([mapped]))


def test_a_record_that_fails_once_is_not_set_aside() -> None:
    """A record that fails once and then succeeds is not set aside."""
    Once.calls = 0
    with engine(Once) as stages:
        (split,) = stages.split(stages.put([b"a\nb\n"])).splits
        mapped = stages.map(split, skip_limit=0)
        assert ((), 2) == (mapped.skipped, mapped.records_in)


@pytest.mark.parametrize("splits", [1, 3])
@pytest.mark.parametrize(
    ("form", "content", "bad"),
    [
        (JsonLines(), b'{"n": 1}\n{"n": \n{"n": 5}\n{"m": 3}\n', ['{"n": ', {"m": 3}]),
        (Csv(), b"n,x\n1,2\n7\n5,6\nno,8\n", ["7\n", {"n": "no", "x": "8"}]),
    ],
)
def test_records_that_are_not_of_their_format(
    form: Any, content: bytes, bad: list[Any], splits: int
) -> None:
    """A record that is not of its format is set aside like one on which the job fails."""
    with engine(Fields) as stages:
        inputs = stages.put([content], form)
        planned = stages.split(inputs, splits).splits
        maps = [stages.map(split, skip_limit=9) for split in planned]
        skipped = [record for result in maps for record in result.skipped]
        assert bad == [record.record for record in skipped]
        assert "RecordError: " in skipped[0].message
        assert [("total", 6)] == stages.pairs(stages.reduce(maps))
        assert [f"{record.url} at byte {record.key}" for record in skipped] == [
            record.place for record in skipped
        ]
        left_out = LeftOut(frozenset((record.url, record.key) for record in skipped))
        assert [("total", 6)] == plain_answer(
            Fields(), [PlainInput(inputs[0].url, content, "", form)], [left_out]
        )
        with pytest.raises(RecordError):
            for split in planned:
                stages.map(split)


def test_a_line_without_end_is_not_set_aside() -> None:
    """A line without an end fails the task, because its end is unknown."""
    with engine(Numbers, memory_bytes=8 << 20) as stages:
        (split,) = stages.split(stages.put([b"1\n" + b"2" * (2 << 20) + b"\n3\n"])).splits
        with pytest.raises(RecordError, match="a line is longer than 1 MiB"):
            stages.map(split, skip_limit=9)


def test_long_records_are_kept_as_their_beginnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long record is cut; once a task has kept many bytes, only places and sizes are kept."""
    monkeypatch.setattr(bad_records, "TASK_BYTES", 80_000)
    content = b"x" * 70_000 + b"\n" + (b"y" * 60_000 + b"\n") * 3
    with engine(Numbers) as stages:
        (split,) = stages.split(stages.put([content])).splits
        skipped = stages.map(split, skip_limit=9).skipped
    assert skipped[0].record.startswith("'xxx")
    assert skipped[0].record.endswith("... (70000 long)")
    assert "y" * 60_000 == skipped[1].record
    assert [("... (60002 bytes of JSON)", "")] * 2 == [
        (record.record, record.traceback) for record in skipped[2:]
    ]
    assert all(record.message and isinstance(record, SkippedRecord) for record in skipped)
    assert sum(len(record.model_dump_json()) for record in skipped) < 100_000
