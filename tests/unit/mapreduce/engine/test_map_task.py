"""Errors of a map task: the record, its place, and the author's frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import pytest

from mapreduce import Batch, CollectList, Count, Job, Max, Min, Sum, WordCounts, native, words
from mapreduce.columns.buffers import PackedColumns
from mapreduce.engine import run_task
from mapreduce.engine.block_index import entry_range
from mapreduce.engine.native_collector import NativeCollector
from mapreduce.errors import InputChanged, ObjectMissing, OutputLost, ParameterError, UserCodeError
from mapreduce.input_formats import Csv, Format, Text
from mapreduce.storage import ObjectInfo, local
from mapreduce.wire.messages import InvalidText, MapTask, SplitMode
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import RUN, blocks_of, engine

CONTENT = b"one\ntwo\nbad line\nfour\n"


class Fragile(Job):
    reduce = Sum()

    def map(self, key: int, value: str) -> Iterable[tuple[str, int]]:
        """Fail on one line, in a function of the author."""
        yield "lines", self.checked(value)

    def checked(self, value: str) -> int:
        """Return 1, or raise."""
        if "bad" in value:
            raise KeyError(value)
        return 1


@pytest.mark.parametrize("mode", ["range", "copy"])
@pytest.mark.parametrize("splits", [1, 2, 3, 22])
def test_error_of_the_author(mode: SplitMode, splits: int) -> None:
    """An error of `map` has the record, the input, the byte, and only the author's frames."""
    with engine(Fragile) as stages:
        planned = stages.split(stages.put([b"first\n", CONTENT]), splits, mode)
        with pytest.raises(UserCodeError) as caught:
            for split in planned.splits:
                stages.map(split)
    error = caught.value
    assert "map raised KeyError: 'bad line'" == error.message
    assert "'bad line'" == error.record
    assert f"file://{stages.folder}/input/1.txt at byte 8" == error.place
    assert [2, ["in map", "in checked"]] == [
        error.traceback.count('File "'),
        [line.split(", ")[-1] for line in error.traceback.splitlines() if 'File "' in line],
    ]
    assert __file__ in error.traceback
    assert "raise KeyError(value)" in error.traceback
    assert "engine/map_task" not in error.traceback
    assert error.traceback.endswith("KeyError: 'bad line'\n")


def job_of(yielded: Any, reduce: Any = None) -> type[Job]:
    """Return a job whose `map` yields the same for each line: pairs, or the result of a function of
    the line.
    """

    class Yielding(Job):
        def map(self, key: int, value: str) -> Any:
            return yielded(value) if callable(yielded) else yielded

    Yielding.reduce = reduce or (lambda self, key, values: [])  # type: ignore[attr-defined]
    return Yielding


def map_error(job: type[Job], content: bytes = CONTENT) -> UserCodeError:
    """Return the error of a map task."""
    with engine(job) as stages, pytest.raises(UserCodeError) as caught:
        stages.map_whole(content)
    return caught.value


@pytest.mark.parametrize(
    ("yielded", "named"),
    [
        (
            None,
            "map returned None instead of pairs; write `yield key, value`, or return an empty list",
        ),
        (7, "map returned the int 7 instead of pairs; write `yield key, value`"),
        ("NY", "map returned the str 'NY' instead of pairs"),
        ({"a": 1}, "map returned a dict; return its pairs: `return counts.items()`"),
        ([7], "map yielded the int 7, which is not a pair; write `yield key, value`"),
        ([None], "map yielded the NoneType None, which is not a pair"),
        (["NY"], "map yielded the str 'NY', which is not a pair; write `yield key, value`"),
        ([b"NY"], "map yielded the bytes b'NY', which is not a pair"),
        ([("a", 1), "NY"], "map yielded the str 'NY', which is not a pair"),
        (
            [("a", 1), {"a": 1, "b": 2}],
            "which is not a pair; write `yield key, value`; of a dict, `yield from",
        ),
        ([{1, 2}], "map yielded the set {1, 2}, which is not a pair"),
        ([range(2)], "map yielded the range range(0, 2), which is not a pair"),
        ([(letter for letter in "ab")], "map yielded the generator"),
        (lambda line: iter(["NY"]), "map yielded the str 'NY', which is not a pair"),
        (("word", 1), "map returned a pair, the tuple ('word', 1); yield it: `yield key, value`"),
        ((("a", 1), ("b", 2)), "map returned a pair"),
        (
            [("a", 1, 2)],
            "which is not a pair; write `yield key, value`; several values are one tuple",
        ),
        (lambda line: map(int, ["x"]), "map raised ValueError: invalid literal for int()"),
        ([({1}, 1)], "map yielded something that cannot be carried: a key of type set"),
        ([(["a"], 1)], "map yielded something that cannot be carried: a key of type list"),
        ([("a", {1, 2})], "map yielded something that cannot be carried: a value of type set"),
        ([("a", float("nan"))], "map yielded something that cannot be carried: the value nan"),
        (
            [("a", {"b": [object()]})],
            "map yielded something that cannot be carried: a value of type object",
        ),
        ([("a\ud800", 1)], "map yielded something that cannot be carried: the text"),
        ([(float("inf"), 1)], "map yielded something that cannot be carried: the key inf"),
    ],
)
def test_wrong_yields(yielded: Any, named: str) -> None:
    """A yielded value that is no valid pair is refused with the record, and without frames of the
    engine.
    """
    error = map_error(job_of(yielded))
    assert named in error.message
    assert "'one'" == error.record
    assert error.place.endswith("/input/0.txt at byte 0")
    assert "" == error.traceback


@pytest.mark.parametrize(
    "reduce", [CollectList(), Min(), Max()], ids=lambda reduce: type(reduce).__name__
)
@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (float("nan"), "the value nan"),
        (float("inf"), "the value inf"),
        ({1}, "a value of type set"),
    ],
)
def test_refused_values_of_an_aggregation(reduce: Any, bad: Any, named: str) -> None:
    """A value that cannot be carried is refused at its record, also if its key has a state."""
    error = map_error(job_of(lambda line: [("k", bad if "bad" in line else 1.5)], reduce))
    assert named in error.message
    assert "'bad line'" == error.record


@pytest.mark.parametrize("reduce", [Sum(), Count()], ids=lambda reduce: type(reduce).__name__)
def test_refused_keys_of_an_aggregation(reduce: Any) -> None:
    """A str key that cannot be carried is refused at its record."""
    error = map_error(job_of(lambda line: [("\ud800" if "bad" in line else line, 1)], reduce))
    assert "lone surrogate" in error.message
    assert "'bad line'" == error.record


def test_values_that_do_not_add() -> None:
    """A value that Sum cannot add is refused at its record."""
    error = map_error(job_of(lambda line: [("k", "1" if "bad" in line else 1)], Sum()))
    assert (
        "map yielded a value that cannot be aggregated: Sum adds int or float values, not str: '1'"
        in error.message
    )
    assert "'bad line'" == error.record


def raising(step: str) -> type[Job]:
    """Return a job that fails in one of its steps."""

    def fail(self: Job, *_: Any) -> Any:
        raise RuntimeError("no")

    return type("Raising", (job_of(lambda line: [(line, 1)]),), {step: fail})


@pytest.mark.parametrize(
    ("step", "named"),
    [
        ("map_setup", "map_setup raised RuntimeError: no"),
        ("map_cleanup", "map_cleanup raised RuntimeError: no"),
        ("combine", "combine raised RuntimeError: no"),
        ("partition", "partition raised RuntimeError: no"),
    ],
)
def test_errors_of_other_steps(step: str, named: str) -> None:
    """An error of another step names the step, with the author's frame."""
    error = map_error(raising(step))
    assert error.message.endswith(named)
    assert "in fail" in error.traceback


def test_long_records_are_cut() -> None:
    """A long record is cut in an error."""
    error = map_error(job_of([7]), b"x" * 100_000)
    assert len(error.record) < 300
    assert "100002 characters" in error.record


def test_errors_of_ours_pass() -> None:
    """An error of the engine is not reported as the author's."""
    with engine(WordCount, unknown=1) as stages, pytest.raises(ParameterError):
        stages.map_whole(b"a")


def overwritten(stages: Any, url: str) -> None:
    """Write as many other bytes."""
    stages.storage.write(url, b"a b\nd e\n")


def deleted(stages: Any, url: str) -> None:
    """Delete the object."""
    stages.storage.delete([url])


@pytest.mark.parametrize(("harm", "error"), [(overwritten, InputChanged), (deleted, ObjectMissing)])
@pytest.mark.parametrize("mode", ["range", "copy"])
def test_input_changed_after_planning(
    mode: SplitMode, harm: Callable[[Any, str], None], error: type[Exception]
) -> None:
    """A split whose object has changed or is missing is not mapped."""
    with engine(WordCount) as stages:
        planned = stages.split(stages.put([b"a b\nc d\n"]), 2, mode)
        harm(stages, planned.splits[1].pieces[0].url)
        with pytest.raises(error):
            for split in planned.splits:
                stages.map(split)


def test_counters_and_meter() -> None:
    """Counters, invalid UTF-8, records and bytes are counted, and the status is the job's."""

    class Counting(WordCount):
        def map(self, key: int, value: str) -> Any:
            self.count("lines")
            self.count("letters", len(value))
            self.status(f"at {key}")
            return super().map(key, value)

    with engine(Counting) as stages:
        context = stages.context()
        (split,) = stages.split(stages.put([b"a\xff\nb b"])).splits
        task = MapTask(
            run=RUN, store=stages.store, index=0, job=stages.spec, split=split, partitions=2
        )
        result = run_task(task, context)
    assert result.stage == "map"
    assert {"lines": 2, "letters": 5, "invalid_utf8": 1} == result.counters
    assert result.invalid == InvalidText(
        size_bytes=1, lines=1, first=f"{split.pieces[0].source} at byte 0"
    )
    assert (2, 2) == (result.records_in, result.records_out)
    assert (6, 2, "at 3") == (context.meter.bytes, context.meter.records, context.meter.status())
    assert (6, 0) == (result.pieces[0].bytes_owned, result.pieces[0].start)
    assert result.cost.seconds > 0
    assert result.cost.peak_memory_bytes > 1 << 20


class Total(Job):
    def reduce(self, key: str, values: Iterable[int]) -> Iterable[tuple[str, int]]:
        """Sum the values."""
        yield key, sum(values)


class Words(Job):
    reduce: Any = Sum()

    def map(self, key: int, value: str) -> Iterable[tuple[str, int]]:
        """Yield each word."""
        return [(word, 1) for word in words(value)]


class WordsAtOnce(Words):
    def map_setup(self) -> None:
        """Create the counts."""
        self.counts = WordCounts()

    def map_batch(self, batch: Batch) -> Any:
        """Count the words."""
        self.counts.add(batch.data)
        return [], []

    def map_cleanup(self) -> Iterable[tuple[str, int]]:
        """Return the counts."""
        return self.counts.pairs()


@pytest.mark.parametrize("reduce", [Sum(), Max(), CollectList(), Total.reduce])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("memory", [64 << 20, 64 << 10])
def test_pairs_of_word_counts(
    reduce: Any, compiled: bool, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts in buffers are the pairs that they stand for, for every collector; the compiled one
    takes the buffers.
    """
    if not compiled:
        monkeypatch.setattr(native, "extension", None)
    names = map("".join, product(ascii_lowercase, repeat=3 if memory < 1 << 20 else 1))
    content = " ".join(["It's", "Été", "a" * 30, "it's", *names]).encode()
    buffers: list[int] = []
    add_packed = NativeCollector.add_packed

    def counted(self: NativeCollector, columns: PackedColumns) -> None:
        buffers.append(len(columns))
        add_packed(self, columns)

    monkeypatch.setattr(NativeCollector, "add_packed", counted)
    monkeypatch.setattr(WordsAtOnce, "reduce", reduce)
    found = {}
    with engine(WordsAtOnce, memory_bytes=memory) as stages:
        run = stages.whole_run(stages.put([content]), 1, 2)
    expected = Counter(words(content.decode()))
    for key, value in run.pairs():
        found[key] = value[0] if isinstance(value, list) else value
    assert expected == found
    taken = compiled and native.extension is not None and not isinstance(reduce, CollectList)
    assert ([len(expected)] if taken else []) == buffers


def test_batches_count_invalid_utf_8() -> None:
    """A batch's invalid UTF-8 is counted, although the job gets the bytes."""

    class Batched(WordCount):
        def map_batch(self, batch: Batch) -> Any:
            return ["lines"], [len(batch.data.splitlines())]

    with engine(Batched) as stages:
        result = stages.map(stages.split(stages.put([b"a\nb\n", b"c\n\xff\xfe d\n\xff"])).splits[0])
    assert result.invalid is not None
    assert (3, 2) == (result.invalid.size_bytes, result.invalid.lines)
    assert result.invalid.first.endswith("/input/1.txt at byte 2")
    assert 3 == result.counters["invalid_utf8"]


def test_one_object_of_neighbouring_blocks() -> None:
    """A map task writes one object, filled by consecutive blocks."""
    with engine(WordCount) as stages:
        result = stages.map_whole(b"a b c d e f g", 4)
        blocks = blocks_of(result, stages.storage)
        assert 4 == len(blocks)
        assert [0, *(block.offset + block.length for block in blocks)] == [
            *(block.offset for block in blocks),
            entry_range(result.size, 4, 0)[0],
        ]
        assert result.records_out == sum(block.records for block in blocks)
        assert result.size == len(stages.storage.read(result.url))
        assert f"{stages.store}/maps/0/run-1/map-00000.attempt-0" == result.url


def test_setup_and_cleanup_run_once_a_task() -> None:
    """`map_setup` and `map_cleanup` run once in a task of several pieces, before and after all
    records.
    """
    calls: list[str] = []

    class Steps(Job):
        reduce = Count()

        def map_setup(self) -> None:
            calls.append(f"setup {self.stage}")

        def map(self, key: int, value: str) -> list[tuple[str, int]]:
            calls.append(f"{self.source[-5:]} {key} {value}")
            return []

        def map_cleanup(self) -> list[tuple[str, int]]:
            calls.append("cleanup")
            return [("k", 1)]

    with engine(Steps) as stages:
        (split,) = stages.split(stages.put([b"a\nb", b"c"])).splits
        result = stages.map(split)
    assert ["setup map", "0.txt 0 a", "0.txt 2 b", "1.txt 0 c", "cleanup"] == calls
    assert 1 == result.records_out


class Lines(Job):
    reduce = Count()

    def map(self, key: int, value: Any) -> Iterable[tuple[str, int]]:
        """Yield one pair a record."""
        yield str(value), 1


def _rot(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change a byte of a file without a change of its ETag."""
    before = local._info(f"file://{path}", path.stat())
    content = path.read_bytes()
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    monkeypatch.setattr(
        local, "_info", lambda url, stat: ObjectInfo(url, stat.st_size, before.etag)
    )


@pytest.mark.parametrize("format_", [Text(), Csv(header=True)], ids=["text", "csv"])
def test_a_chunk_file_that_has_rotten_is_refused(
    format_: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk file with a changed byte and an unchanged ETag is refused with its URL."""
    with engine(Lines) as stages:
        inputs = [
            each.model_copy(update={"format": format_}) for each in stages.put([b"a,b\nc,d\ne,f\n"])
        ]
        planned = stages.split(tuple(inputs), 2, "copy")
        chunk = planned.splits[1].pieces[0]
        assert chunk.digest
        assert stages.map(planned.splits[1]).records_in
        _rot(Path(chunk.url.removeprefix("file://")), monkeypatch)
        with pytest.raises(
            OutputLost, match="is not what the split stage wrote; run again"
        ) as caught:
            stages.map(planned.splits[1])
    assert chunk.url == caught.value.url
