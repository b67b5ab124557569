"""Jobs beyond map and aggregation: secondary sort, total order, map-only, batches, joins."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mapreduce import Batch, CollectList, Count, Csv, Job, JsonLines, Sum, WholeFile, words
from mapreduce.check.reference import PlainInput, plain_answer, plain_run
from mapreduce.encoding import encode_key
from mapreduce.errors import InputChanged, JobLoadError, RecordError, UserCodeError
from mapreduce.formats.json_values import jsonable
from mapreduce.testing import run
from tests.unit.mapreduce.engine_run import engine

line_lists = st.lists(st.text(st.sampled_from("ab 1é'"), max_size=8), max_size=12)
counts = st.integers(1, 9)
plain_texts = st.text(max_size=4).filter(lambda text: not set(text) & set("\r\n\ufeff"))
compressors = st.sampled_from([gzip.compress, bz2.compress])


class ByLetter(Job):
    """Words by first letter, in the order of their length."""

    group_by = 1

    def map(self, offset: int, line: str) -> Iterator[tuple[tuple[str, int, int], str]]:
        for word in words(line):
            yield (word[0], -len(word), offset), word

    def reduce(self, letter: str, values: Iterator[str]) -> Iterator[tuple[str, list[str]]]:
        yield letter, list(values)


@settings(max_examples=30)
@given(line_lists, counts, counts, st.sampled_from([4 << 10, 64 << 20]))
def test_secondary_sort(lines: list[str], splits: int, partitions: int, memory_bytes: int) -> None:
    """A group is the first field, whole in one part, and the other fields sort its values."""
    answer = run(ByLetter(), lines, splits=splits, partitions=partitions, memory_bytes=memory_bytes)
    offsets = [
        sum(len(line.encode()) + 1 for line in lines[:number]) for number in range(len(lines))
    ]
    expected: dict[str, list[tuple[int, int, int, str]]] = {}
    for offset, line in zip(offsets, lines, strict=True):
        for place, word in enumerate(words(line)):
            expected.setdefault(word[0], []).append((-len(word), offset, place, word))
    wanted = {letter: [word for *_, word in sorted(found)] for letter, found in expected.items()}
    assert sorted(wanted.items()) == sorted(answer.pairs)


def test_two_fields_make_a_group() -> None:
    """With group_by = 2 the group is the first two fields."""

    class Pairs(Job):
        group_by = 2

        def map(self, offset: int, line: str) -> Iterator[tuple[Any, int]]:
            first, second, third = line.split()
            yield (first, int(second), third), 1

        def reduce(self, key: tuple[str, int], values: Iterator[int]) -> Iterator[tuple[Any, int]]:
            yield key, sum(values)

    answer = run(Pairs(), ["a 1 x", "a 1 y", "a 2 x", "b 1 x"])
    assert [(["a", 1], 2), (["a", 2], 1), (["b", 1], 1)] == sorted(answer.pairs)


class KeysOfValues(ByLetter):
    """The key before the first value, that of each value, and the last one afterwards."""

    def reduce(self, letter: str, values: Iterator[str]) -> Iterator[tuple[Any, Any]]:
        first = self.key
        seen = [(self.key, value) for value in values]
        assert (first, self.key) == (seen[0][0], seen[-1][0])
        yield letter, seen

    def reduce_cleanup(self) -> None:
        assert self.key is None


@pytest.mark.parametrize("is_native", [True, False])
@pytest.mark.parametrize("memory_bytes", [4 << 10, 64 << 20])
def test_the_key_moves_on_with_the_values(
    monkeypatch: pytest.MonkeyPatch, memory_bytes: int, is_native: bool
) -> None:
    """With `group_by`, `self.key` is the whole key of the current value, as in the definition."""
    if not is_native:
        monkeypatch.setattr("mapreduce.native.extension", None)
    lines = ["be bee", "a beef ab", "b abc be"] * 40
    content = "".join(f"{line}\n" for line in lines).encode()
    answer = run(KeysOfValues(), lines, splits=3, partitions=2, memory_bytes=memory_bytes)
    expected = plain_answer(KeysOfValues(), [("u", content)])
    assert [(key, jsonable(value)) for key, value in expected] == sorted(answer.pairs)
    for letter, seen in expected:
        assert all((letter, -len(word)) == key[:2] for key, word in seen)
        assert sorted(key for key, _ in seen) == [key for key, _ in seen]


def test_without_groups_the_key_is_the_groups() -> None:
    """Without `group_by`, `self.key` is the key that `reduce` has got."""

    class Plain(Job):
        def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
            assert self.key is None
            yield line, 1

        def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, Any]]:
            yield key, [self.key for _ in values]

    assert {"a": ["a", "a"], "b": ["b"]} == dict(run(Plain(), ["a", "b", "a"]).pairs)


def test_group_by_needs_composite_keys() -> None:
    """A key with fewer fields than `group_by` is refused where it is yielded."""

    class Short(Job):
        group_by = 2

        def map(self, offset: int, line: str) -> Iterator[tuple[Any, int]]:
            yield (line,), 1

        def reduce(self, key: Any, values: Any) -> Iterator[Any]:
            yield key, 1

    with pytest.raises(
        UserCodeError, match=r"is not a tuple of at least 2 fields, which `group_by` needs"
    ) as caught:
        run(Short(), ["x"])
    assert "'x'" == caught.value.record


class Sorted(Job):
    """Lines in total order, with repetitions."""

    total_order = True

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        yield line, 1

    def reduce(self, line: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
        for value in values:
            yield line, value


@settings(max_examples=30)
@given(
    st.lists(
        # no NUL, because lines of NULs look like UTF-16 and are refused
        st.text(max_size=4).filter(lambda text: not set(text) & set("\0\r\n\ufeff")),
        max_size=40,
    ),
    counts,
    counts,
)
def test_total_order(lines: list[str], splits: int, partitions: int) -> None:
    """The parts, joined in order, are sorted, and have all lines."""
    answer = run(Sorted(), lines, splits=splits, partitions=partitions)
    assert sorted(lines, key=encode_key) == [key for key, _ in answer.pairs]


def test_total_order_shares_the_work() -> None:
    """Sorted keys in few splits still give parts of similar size."""
    lines = [f"{number:06d}" for number in range(20_000)]
    answer = run(Sorted(), lines, splits=2, partitions=5)
    assert lines == [key for key, _ in answer.pairs]
    sizes = [len(part) for part in answer.parts]
    assert 5 == len(sizes)
    assert max(sizes) < 2 * 20_000 / 5


class Long(Job):
    """Long lines, without a reduce."""

    length: int = 3

    def map(self, offset: int, line: str) -> Iterator[tuple[int, str]]:
        if len(line) >= self.length:
            self.count("long")
            yield offset, line

    def map_cleanup(self) -> Iterable[tuple[int, str]]:
        return [(-1, "end")]


@given(line_lists, counts)
def test_map_only(lines: list[str], splits: int) -> None:
    """Each part is in key order, with the pairs of its task's map_cleanup."""
    answer = run(Long(length=2), lines, splits=splits)
    plain = plain_run(
        Long(length=2), [PlainInput("u", "".join(f"{line}\n" for line in lines).encode())]
    )
    assert [pair for pair in plain.pairs if pair[0] >= 0] == [
        pair for pair in answer.pairs if pair[0] >= 0
    ]
    assert dict(plain.counters) == answer.counters
    assert all((-1, "end") == part[0] for part in answer.parts)


class BatchCount(Job):
    """Word count with a `map_batch`."""

    reduce = Sum()

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        for word in line.split():
            yield word, 1

    def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
        found = [word for line in batch.lines() for word in line.split()]
        return found, [1] * len(found)


@given(line_lists, counts, counts)
def test_map_batch(lines: list[str], splits: int, partitions: int) -> None:
    """`map_batch` gives the same pairs and number of records as `map`."""
    content = "\r\n".join(lines).encode()
    answer = run(BatchCount(), inputs={"": content}, splits=splits, partitions=partitions)
    assert plain_answer(BatchCount(), [("u", content)]) == sorted(answer.pairs)


def test_batches_know_their_offset() -> None:
    """A batch's offset is that of its first record, in a range and in a compressed file."""

    class Offsets(Job):
        reduce = CollectList()

        def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
            raise NotImplementedError

        def map_batch(self, batch: Batch) -> tuple[list[str], list[int]]:
            return ["offset"], [batch.offset]

    content = b"".join(b"line %d\n" % number for number in range(9))
    offsets = run(Offsets(), inputs={"": content}, splits=3)["offset"]
    assert 3 == len(offsets)
    assert all(offset == 0 or content[offset - 1 : offset] == b"\n" for offset in offsets)
    assert [0] == run(Offsets(), inputs={"": gzip.compress(content)}, splits=3)["offset"]


class _Column:
    """A column like those of numpy or Arrow."""

    def __init__(self, method: str, values: list[Any]) -> None:
        setattr(self, method, lambda: values)


@pytest.mark.parametrize("method", ["tolist", "to_pylist"])
def test_columns_of_libraries(method: str) -> None:
    """A column may be a numpy or Arrow array."""

    class Columns(BatchCount):
        def map_batch(self, batch: Batch) -> Any:
            return _Column(method, ["a", "b"]), _Column(method, [1, 2])

    assert [("a", 1), ("b", 2)] == sorted(run(Columns(), ["x"]).pairs)


@pytest.mark.parametrize(
    ("returned", "named"),
    [
        (None, "map_batch must return two columns"),
        ((["a"],), "map_batch must return two columns"),
        ((["a"], []), "map_batch returned 1 keys and 0 values"),
    ],
)
def test_wrong_columns(returned: Any, named: str) -> None:
    """A result of `map_batch` that is not two columns of one length is refused with the batch's
    place.
    """

    class Wrong(BatchCount):
        def map_batch(self, batch: Batch) -> Any:
            return returned

    with pytest.raises(UserCodeError, match=named) as caught:
        run(Wrong(), ["x"])
    assert caught.value.place.endswith("lines.txt at byte 0")


class Join(Job):
    """Names and orders by user."""

    input_format: ClassVar = {"users": Csv(), "orders": JsonLines()}
    reduce = CollectList()

    def map(self, offset: int, row: Any) -> Iterator[tuple[str, list[str]]]:
        yield str(row["id"]), [self.input, row["name"] if self.input == "users" else row["item"]]


def test_inputs_with_names_and_formats() -> None:
    """Each input is read in its format, and the job gets its name."""
    users = b'id,name\n1,"Ada\nLovelace"\n2,Grace\n'
    orders = b'{"id": 1, "item": "engine"}\n\n{"id": 2, "item": "compiler"}\n'
    answer = run(Join(), inputs={"users": users, "orders": orders}, splits=4)
    assert [["users", "Ada\nLovelace"], ["orders", "engine"]] == answer["1"]
    assert [["users", "Grace"], ["orders", "compiler"]] == answer["2"]


def test_an_input_without_its_name() -> None:
    """An input without a name is refused with the names of the job."""
    with pytest.raises(
        JobLoadError,
        match="Join has inputs with names; give --input users=PATH, --input orders=PATH",
    ):
        run(Join(), inputs={"": b""})


def test_a_broken_record_has_its_place() -> None:
    """A record that is not of its format raises one error with its text and place."""
    with pytest.raises(RecordError) as caught:
        run(Join(), inputs={"users": b"id,name\n1,Ada\n2\n", "orders": b""})
    assert "at byte 14" in caught.value.place
    assert "2" in caught.value.record


class FileSizes(Job):
    """The size of each file."""

    input_format = WholeFile()

    def map(self, url: str, content: bytes) -> Iterator[tuple[str, int]]:
        yield url.rpartition("/")[2], len(content)


def test_whole_files() -> None:
    """Each file is one record, also empty and compressed ones, for any number of splits."""
    inputs = {"a": b"12345", "b": b"", "c": gzip.compress(b"x" * 1000)}
    for splits in (1, 2, 7):
        assert [("a", 5), ("b", 0), ("c", 1000)] == run(
            FileSizes(), inputs=inputs, splits=splits
        ).pairs


class LineCount(Job):
    """How often each line occurs."""

    reduce = Count()

    def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
        yield f"{offset}:{line}", 1


@given(
    st.lists(st.integers(0, 1 << 40), max_size=300),
    st.integers(1, 20),
    st.sampled_from([gzip.compress, bz2.compress]),
)
@example(list(range(5000)), 8, gzip.compress)
def test_copy_mode_unpacks(numbers: list[int], splits: int, compress: Any) -> None:
    """A compressed input in chunk files gives the same answer and ledger as the text."""
    content = b"".join(b"%d\n" % number for number in numbers)
    with engine(LineCount) as stages:
        inputs = stages.put([compress(content)])
        finished = stages.whole_run(inputs, splits, 2, "copy")
        assert sorted(
            (jsonable(key), 1) for key, _ in plain_answer(LineCount(), [("u", content)])
        ) == sorted(finished.pairs())
        assert () == finished.ledger.discrepancies


def test_copy_mode_cuts_a_large_gzip() -> None:
    """A large gzip file becomes as many chunks as splits, so that all mappers have work."""
    content = b"".join(b"%d\n" % (number * 7919 % 1_000_003) for number in range(1_500_000))
    with engine(LineCount) as stages:
        planned = stages.split(stages.put([gzip.compress(content, 1)]), 2, "copy")
        assert 2 <= len(planned.splits) <= 3
        chunks = [
            stages.storage.read(piece.url) for split in planned.splits for piece in split.pieces
        ]
        assert content == b"".join(chunks)


def test_a_changed_input_is_seen_when_it_is_looked_at() -> None:
    """The split stage reads the first bytes of the planned version of an object, or fails."""
    with engine(LineCount) as stages:
        inputs = stages.put([b"one\n"])
        stages.put([b"two!\n"])
        with pytest.raises(InputChanged):
            stages.split(inputs)


@pytest.mark.parametrize("reduce", [Sum(), None], ids=["aggregation", "method"])
def test_a_partition_out_of_range(reduce: Any) -> None:
    """A partition out of range is refused at the record that yields the pair."""

    class Wrong(Job):
        def map(self, offset: int, line: str) -> Iterator[tuple[str, int]]:
            yield line, 1

        def reduce(self, key: str, values: Iterator[int]) -> Iterator[tuple[str, int]]:
            yield key, sum(values)

        def partition(self, key: str, partitions: int) -> int:
            return 0 if key == "fine" else 7

    if reduce:
        Wrong.reduce = reduce  # type: ignore[method-assign]
    with pytest.raises(UserCodeError, match="must be an int from 0 to 1") as caught:
        run(Wrong(), ["fine", "wrong"])
    assert ("'wrong'", True) == (
        caught.value.record,
        caught.value.place.endswith("lines.txt at byte 5"),
    )
