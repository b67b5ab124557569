"""A reduce task refuses changed bytes, and writes its result in key order."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mapreduce import Count, Job, Max, Mean, Min, Sum
from mapreduce.engine import TaskContext
from mapreduce.engine.block_index import entry_range, index_of
from mapreduce.errors import CorruptBlock, OutputLost, UserCodeError
from mapreduce.formats.frames import INTEGERS, BlockWriter
from mapreduce.storage import ObjectInfo, Storage, local
from mapreduce.testing import plain_answer
from mapreduce.wire.messages import Block, MapResult
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import as_json, blocks_of, engine


class Lines(Job):
    def map(self, key: int, value: str) -> Iterable[tuple[Any, Any]]:
        """Yield each line's first character, and the line."""
        yield value[:1], value

    def reduce(self, key: Any, values: Iterator[Any]) -> Any:
        """Yield all lines joined."""
        yield key, list(values)


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails below the file system: ETags ignore the inode's change time."""

    def info(url: str, stat: os.stat_result) -> ObjectInfo:
        return ObjectInfo(
            url, stat.st_size, f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
        )

    monkeypatch.setattr(local, "_info", info)


def damaged(path: Path, at: int) -> None:
    """Invert one byte of a file as a failing disk does, without a change of size and times."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.usefixtures("failing_disk")
@pytest.mark.parametrize("job", [WordCount, Lines])
def test_every_damaged_byte_of_a_map_output_is_seen(job: type[Job]) -> None:
    """Any damaged byte of a map's output ends the reduce with CorruptBlock."""
    with engine(job) as stages:
        mapped = stages.map_whole(b"a b c\nb c d\na b")
        path = Path(mapped.url.removeprefix("file://"))
        stages.reduce([mapped])
        outcomes: dict[int, str] = {}
        for at in range(mapped.size):
            damaged(path, at)
            try:
                stages.reduce([mapped])
            except CorruptBlock as exc:
                assert mapped.url in str(exc)
            except Exception as exc:  # noqa: BLE001 - any other end is what this test reports
                outcomes[at] = type(exc).__name__
            else:
                outcomes[at] = "no error"
            damaged(path, at)
    assert {} == outcomes


@pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no disk that is always full here"
)
def test_a_full_disk_is_not_the_authors_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk raises OSError, and is not reported as the job's error."""
    scratch_folder = TaskContext.scratch_folder

    @contextmanager
    def full(self: TaskContext) -> Iterator[Path]:
        with scratch_folder(self) as folder:
            (folder / "part").symlink_to("/dev/full")
            yield folder

    with engine(WordCount) as stages:
        mapped = stages.map_whole(b" ".join(b"word%d" % number for number in range(30_000)))
        monkeypatch.setattr(TaskContext, "scratch_folder", full)
        with pytest.raises(OSError, match="No space left"):
            stages.reduce([mapped])


class LinesAtTheEnd(Job):
    """Collects in the map task, and yields at its end; a call of any other hook would change the
    answer.
    """

    reduce = Sum()

    def map_setup(self) -> None:
        self.lines = 0

    def map(self, key: int, value: str) -> Any:
        self.lines += 1

    def map_cleanup(self) -> Iterable[tuple[Any, Any]]:
        yield "lines", self.lines


def test_pairs_of_map_cleanup_are_yielded_once() -> None:
    """The pairs of `map_cleanup` are yielded once: a reduce of an aggregation calls no hook."""
    with engine(LinesAtTheEnd) as stages:
        run = stages.whole_run(stages.put([b"a\nb\na"]), splits=3, partitions=2)
        assert [("lines", 3)] == run.pairs()
    assert [("lines", 3)] == plain_answer(LinesAtTheEnd(), [("u", b"a\nb\na")])


def test_other_pairs_than_reported() -> None:
    """A block with another count than reported raises CorruptBlock."""
    with engine(WordCount) as stages:
        mapped = stages.map_whole(b"a b c")
        (block,) = blocks_of(mapped, stages.storage)
        wrong = with_index(mapped, stages.storage, [replace(block, records=2)])
        with pytest.raises(CorruptBlock, match="holds 3 pairs, not the 2 that were written"):
            stages.reduce([wrong])
        wrong = with_index(mapped, stages.storage, [replace(block, checksum=2)])
        with pytest.raises(CorruptBlock):
            stages.reduce([wrong])


def with_index(mapped: MapResult, storage: Storage, blocks: list[Block]) -> MapResult:
    """The map's object with another index of its blocks."""
    start, _ = entry_range(mapped.size, len(blocks), 0)
    info = storage.write(mapped.url, storage.read(mapped.url, 0, start) + index_of(blocks))
    return mapped.model_copy(update={"etag": info.etag, "size": info.size})


def test_every_byte_of_an_index_entry_counts() -> None:
    """A map output whose index is damaged is one that must be written again."""
    with engine(WordCount) as stages:
        mapped = stages.map_whole(b"a b c", 2)
        content = stages.storage.read(mapped.url)
        start, end = entry_range(mapped.size, 2, 1)
        for at in range(start, end):
            damaged = bytearray(content)
            damaged[at] ^= 1
            info = stages.storage.write(mapped.url, bytes(damaged))
            with pytest.raises(CorruptBlock, match="is damaged at partition 1") as caught:
                stages.reduce([mapped.model_copy(update={"etag": info.etag})], 1, 2)
            assert mapped.url == caught.value.url


def test_map_output_replaced_or_gone() -> None:
    """A map's output that was overwritten or deleted raises OutputLost with its URL."""
    with engine(WordCount) as stages:
        mapped = stages.map_whole(b"a b c")
        stages.storage.write(mapped.url, stages.storage.read(mapped.url))
        with pytest.raises(OutputLost, match="map-00000") as changed:
            stages.reduce([mapped])
        stages.storage.delete([mapped.url])
        with pytest.raises(OutputLost, match="map-00000") as gone:
            stages.reduce([mapped])
        assert changed.value.url == gone.value.url == mapped.url


TEXT = b"the cat the dog\na cat\nthe end\n" * 7


@pytest.mark.parametrize(
    "reduce", [Sum(), Count(), Min(), Max()], ids=lambda reduce: type(reduce).__name__
)
@pytest.mark.parametrize("large", [False, True])
def test_merged_integers_are_the_plain_ones(reduce: Any, large: bool) -> None:
    """Merged integers give the right result, also beyond 64 bits."""

    class Integers(Job):
        def map(self, key: int, value: str) -> Iterator[tuple[str, int]]:
            for word in value.split():
                yield word, (key - 100) << (60 if large else 0)

    Integers.reduce = reduce  # type: ignore[attr-defined]
    with engine(Integers) as stages:
        inputs = stages.put([TEXT])
        run = stages.whole_run(inputs, splits=5, partitions=2)
    assert as_json(plain_answer(Integers(), [(inputs[0].url, TEXT)])) == run.pairs()
    assert run.ledger.balanced


def test_other_states_are_merged_in_python() -> None:
    """States that are no integers give the right result, also if only one map has them."""

    class Mixed(Job):
        reduce: ClassVar[Any] = Sum()

        def map(self, key: int, value: str) -> Iterator[tuple[str, float]]:
            yield "k", float(value) if "." in value else int(value)

    class Means(Mixed):
        reduce = Mean()

    for job, expected in ((Mixed, 6.5), (Means, 6.5 / 4)):
        with engine(job) as stages:
            run = stages.whole_run(stages.put([b"1\n2\n3\n0.5\n"]), splits=4, partitions=1)
            assert [("k", expected)] == run.pairs()


@pytest.mark.usefixtures("failing_disk")
def test_corruption_is_seen_when_integers_are_merged() -> None:
    """A damaged byte is found also when integers are merged."""
    with engine(WordCount) as stages:
        mapped = stages.map_whole(b"a b c")
        damaged(Path(mapped.url.removeprefix("file://")), mapped.size - 1)
        with pytest.raises(CorruptBlock):
            stages.reduce([mapped])


@pytest.mark.parametrize("memory_bytes", [1_600, 64 << 20])
def test_reduce_may_yield_any_keys_in_any_order(memory_bytes: int) -> None:
    """Results are in key order, and those of one key in the order of yielding, with and without
    spills.
    """

    class Scattering(Lines):
        def reduce(self, key: Any, values: Iterator[Any]) -> Any:
            for number, value in enumerate(values):
                yield ("z", key), number
                yield value[::-1], [key, number]
                yield -number, None

    content = b"".join(b"%c%d\n" % (97 + number * 7 % 26, number) for number in range(120))
    with engine(Scattering, memory_bytes) as stages:
        inputs = stages.put([content])
        run = stages.whole_run(inputs, splits=3, partitions=1)
        assert as_json(plain_answer(Scattering(), [(inputs[0].url, content)])) == run.parts[0]


def test_two_results_of_one_key_make_a_list() -> None:
    """A part with a repeated str key is a JSON list, because an object would lose a pair."""

    class Twice(Lines):
        def reduce(self, key: Any, values: Iterator[Any]) -> Any:
            yield from ((key, value) for value in values)

    with engine(Twice) as stages:
        reduced = stages.reduce([stages.map_whole(b"a1\nb\na2")])
        assert [("a", "a1"), ("a", "a2"), ("b", "b")] == stages.pairs(reduced)
        assert stages.storage.read(reduced.url).startswith(b"[")
        assert 3 == reduced.records_out


def test_parts_of_several_partitions_are_json_lines() -> None:
    """One of several parts is JSON Lines, with the keys of its partition alone."""
    with engine(WordCount) as stages:
        run = stages.whole_run(stages.put([b"a b c d e f g h"]), splits=2, partitions=3)
        assert all(
            reduced.url.endswith(f"part-{n:05d}.attempt-0.jsonl")
            for n, reduced in enumerate(run.reduces)
        )
        assert Counter("abcdefgh") == Counter(key for part in run.parts for key, _ in part)
        assert all(len(part) < 8 for part in run.parts)


def test_top_and_counts() -> None:
    """The result has the requested number of top pairs, and the blocks' bytes and records."""
    with engine(WordCount) as stages:
        mapped = stages.map_whole(b"b a b c c b")
        reduced = stages.reduce([mapped], top=2)
        assert (("b", 3), ("c", 2)) == reduced.top
        (block,) = blocks_of(mapped, stages.storage)
        assert (block.length, 3, 3) == (
            *(reduced.bytes_in, reduced.records_in, reduced.records_out),
        )
        assert block.checksum == reduced.checksum_in == reduced.checksum_indexed
        assert () == stages.reduce([mapped], top=0).top


def test_no_maps() -> None:
    """A partition without pairs gives an empty result."""
    with engine(WordCount) as stages:
        reduced = stages.reduce([])
        assert [] == stages.pairs(reduced)
        assert (0, 0, 0) == (reduced.records_in, reduced.records_out, reduced.checksum_in)


def test_cleanup_and_counters_of_a_reduce() -> None:
    """Pairs of `reduce_cleanup` are in the result at their keys, and counters are reported."""

    class Cleaning(Lines):
        def reduce_setup(self) -> None:
            self.groups = 0

        def reduce(self, key: Any, values: Iterator[Any]) -> Any:
            self.groups += 1
            self.count("groups")
            yield key, len(list(values))

        def reduce_cleanup(self) -> Any:
            return [("all", self.groups)]

    with engine(Cleaning) as stages:
        reduced = stages.reduce([stages.map_whole(b"a1\nb\na2")])
        assert [("a", 2), ("all", 2), ("b", 1)] == stages.pairs(reduced)
        assert {"groups": 2} == reduced.counters


def test_values_left_unread() -> None:
    """A reduce that does not read all its values gets the next key."""

    class First(Lines):
        def reduce(self, key: Any, values: Iterator[Any]) -> Any:
            yield key, next(values)

    with engine(First) as stages:
        assert [("a", "a1"), ("b", "b")] == stages.pairs(
            stages.reduce([stages.map_whole(b"a1\nb\na2")])
        )


def failing(step: str, given: Any) -> type[Job]:
    """Return a job whose step returns a function's result."""

    def answer(self: Job, *_: Any) -> Any:
        return given()

    return type("Failing", (Lines,), {step: answer})


def fail() -> Any:
    """Raise an author's error."""
    raise RuntimeError("no")


@pytest.mark.parametrize(
    ("step", "given", "named", "record", "frames"),
    [
        ("reduce", fail, "reduce raised RuntimeError: no", "'a'", True),
        ("reduce_setup", fail, "reduce_setup raised RuntimeError: no", "", True),
        ("reduce_cleanup", fail, "reduce_cleanup raised RuntimeError: no", "", True),
        (
            "reduce",
            lambda: ("k", 1),
            "reduce returned a pair, the tuple ('k', 1); yield it",
            "'a'",
            False,
        ),
        (
            "reduce",
            lambda: ["NY"],
            "reduce yielded the str 'NY', which is not a pair; write `yield key, value`",
            "'a'",
            False,
        ),
        (
            "reduce_cleanup",
            lambda: ["NY"],
            "reduce_cleanup yielded the str 'NY', which is not a pair",
            "",
            False,
        ),
        (
            "reduce",
            lambda: None,
            "reduce returned None instead of pairs; write `yield key, value`",
            "'a'",
            False,
        ),
        ("reduce", lambda: [7], "reduce yielded the int 7, which is not a pair", "'a'", False),
        (
            "reduce",
            lambda: [("k", {1})],
            "reduce yielded something that cannot be carried: a value of type set",
            "'a'",
            False,
        ),
        (
            "reduce",
            lambda: [([], 1)],
            "reduce yielded something that cannot be carried: a key of type",
            "'a'",
            False,
        ),
        (
            "reduce_cleanup",
            lambda: [("k", {1})],
            "reduce_cleanup yielded something that cannot be carried",
            "",
            False,
        ),
    ],
)
def test_errors_of_the_author(step: str, given: Any, named: str, record: str, frames: bool) -> None:
    """An error or wrong yield of a reduce step names the step and the group."""
    with engine(failing(step, given)) as stages:
        mapped = stages.map_whole(b"a1\na2")
        with pytest.raises(UserCodeError) as caught:
            stages.reduce([mapped])
    assert named in caught.value.message
    assert record == caught.value.record
    assert frames == ("in fail" in caught.value.traceback)
    assert frames or "" == caught.value.traceback


class Totals(Job):
    def map(self, key: int, value: str) -> Iterable[tuple[str, int]]:
        """Yield 1 for each word."""
        return [(word, 1) for word in value.split()]

    def reduce(self, key: str, values: Iterator[int]) -> Iterable[tuple[str, int]]:
        """Yield the sum; frames are read in this loop."""
        yield key, sum(values)


@pytest.mark.usefixtures("failing_disk")
@pytest.mark.parametrize("job", [WordCount, Totals])
@pytest.mark.parametrize(
    "payload",
    [
        b"\x02\0\0\0\x02\0\0\0\x05b\x05a" + bytes(16),
        b"\x02\0\0\0\x03\0\0\0\x05a\x05b" + bytes(16),
        b"\x02\0\0\0\x02\0\0\0\x05a\x05b" + bytes(15),
    ],
)
def test_a_forged_frame_is_not_the_jobs_fault(job: type[Job], payload: bytes) -> None:
    """A frame with right checksums, and wrong lengths or order of keys, raises CorruptBlock."""
    with engine(job) as stages:
        forged = stages.map_whole(b"a b c d")
        file = io.BytesIO()
        writer = BlockWriter(file)
        writer.write_frames([(INTEGERS, 2, payload)])
        path = Path(forged.url.removeprefix("file://"))
        times = path.stat()
        path.write_bytes(file.getvalue())
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        block = Block(0, writer.length, 2, writer.checksum, integers=True)
        path.write_bytes(file.getvalue() + index_of([block]))
        info = stages.storage.head(forged.url)
        bad = forged.model_copy(update={"etag": info.etag, "size": info.size})
        with pytest.raises(CorruptBlock, match="lengths or the order"):
            stages.reduce([bad])
