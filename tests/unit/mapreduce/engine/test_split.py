"""A plan covers each byte of the inputs once, in order, and chunk files have each record once."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driver.plan.cut import split_rule
from mapreduce.encoding import encode_key
from mapreduce.engine import TaskContext
from mapreduce.engine.sample import read_boundaries
from mapreduce.engine.split import LONGEST_PACK, plan_splits, run_split
from mapreduce.errors import InputChanged, ObjectMissing
from mapreduce.input_formats import Csv, Format, WholeFile
from mapreduce.wire.messages import ByteRange, InputObject, Split, SplitResult, SplitRule, SplitTask
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import TEXT, Engine, engine

ONE = SplitRule(splits=1)
sizes_lists = st.lists(st.integers(0, 50) | st.sampled_from([0, 1, 1 << 40]), max_size=8)


def inputs_of(sizes: list[int]) -> tuple[InputObject, ...]:
    """Return inputs of these sizes."""
    return tuple(
        InputObject(url=f"file:///{n}", size=size, etag=str(n)) for n, size in enumerate(sizes)
    )


def covered(splits: tuple[Split, ...]) -> dict[str, list[tuple[int, int]]]:
    """Return the ranges of each input in the order of the plan."""
    found: dict[str, list[tuple[int, int]]] = {}
    for split in splits:
        for piece in split.pieces:
            found.setdefault(piece.url, []).append((piece.start, piece.end))
    return found


@given(sizes_lists, st.integers(1, 64))
def test_every_byte_once_in_order(sizes: list[int], count: int) -> None:
    """Ranges have no gap and no overlap, and equal lengths except for a byte."""
    inputs = inputs_of(sizes)
    splits = plan_splits(inputs, SplitRule(splits=count))
    total = sum(sizes)
    assert min(count, total) == len(splits)
    assert list(range(len(splits))) == [split.index for split in splits]
    ranges = covered(splits)
    assert [given.url for given in inputs if given.size] == list(ranges)
    for given_input in inputs:
        at = 0
        for start, end in ranges.get(given_input.url, []):
            assert at == start < end
            at = end
        assert given_input.size == at
    lengths = [split.length for split in splits]
    assert total == sum(lengths)
    assert not lengths or max(lengths) - min(lengths) <= 1


@given(sizes_lists, st.integers(1, 1 << 41))
def test_split_bytes(sizes: list[int], split_bytes: int) -> None:
    """With a wanted length every byte is read once, in order; no range is longer, and an input has
    no more ranges than it needs.
    """
    if sum(sizes) // split_bytes > 1000:
        split_bytes = sum(sizes) // 1000
    splits = plan_splits(inputs_of(sizes), SplitRule(split_bytes=split_bytes))
    assert list(range(len(splits))) == [split.index for split in splits]
    ranges = covered(splits)
    assert list(ranges) == [f"file:///{number}" for number, size in enumerate(sizes) if size]
    for number, size in enumerate(sizes):
        edges = ranges.get(f"file:///{number}", [])
        assert -(-size // split_bytes) == len(edges)
        assert [0, *(end for _, end in edges)] == [*(start for start, _ in edges), size]
        assert all(end - start <= split_bytes for start, end in edges)


names = st.text("abcdef", min_size=1, max_size=3)
folders = st.dictionaries(names, st.integers(0, 3000), max_size=40)
STEADY = SplitRule(split_bytes=500, pack_bytes=200)


def files_of(folder: dict[str, int]) -> tuple[InputObject, ...]:
    """The files of a folder in the order of their names; another size has another ETag."""
    return tuple(
        InputObject(url=f"file:///in/{name}", size=size, etag=str(size))
        for name, size in sorted(folder.items())
    )


def tasks_of(folder: dict[str, int]) -> list[frozenset[tuple[str, str, int, int]]]:
    """What each map task reads: its key holds nothing else of the input."""
    splits = plan_splits(files_of(folder), STEADY)
    return [
        frozenset((each.url, each.etag, each.start, each.end) for each in split.pieces)
        for split in splits
    ]


def touched(tasks: list[frozenset[tuple[str, str, int, int]]], name: str) -> int:
    """How many of the tasks read a file."""
    return sum(any(url == f"file:///in/{name}" for url, *_ in task) for task in tasks)


@given(folders, names, st.integers(0, 3000))
def test_a_file_that_is_added_changes_its_own_splits_alone(
    folder: dict[str, int], name: str, size: int
) -> None:
    """All other tasks are there already, but for the pack into which it falls."""
    folder.pop(name, None)
    before, after = tasks_of(folder), tasks_of(folder | {name: size})
    new = [task for task in after if task not in before]
    # the pack that it falls into, or divides
    assert len(new) <= touched(after, name) + 2
    assert len([task for task in before if task not in after]) <= 1 + LONGEST_PACK


@given(folders.filter(bool), st.data())
def test_any_sequence_of_changes_keeps_the_other_splits(
    folder: dict[str, int], data: st.DataObject
) -> None:
    """Files are added, removed, renamed and grow; each change redoes its own splits and packs."""
    for _ in range(data.draw(st.integers(1, 5))):
        before = tasks_of(folder)
        changed = dict(folder)
        what = data.draw(st.sampled_from(["add", "remove", "rename", "grow"]))
        if what == "add" or not folder:
            name = data.draw(names)
            named = [name]
            changed[name] = data.draw(st.integers(0, 3000))
        else:
            name = data.draw(st.sampled_from(sorted(folder)))
            other = data.draw(names)
            size = changed.pop(name)
            named = [name, other] if what == "rename" else [name]
            if what != "remove":
                changed[other if what == "rename" else name] = size + (what == "grow")
        after = tasks_of(changed)
        new = [task for task in after if task not in before]
        assert len(new) <= sum(touched(after, each) + 2 for each in named)
        assert covered(plan_splits(files_of(changed), STEADY)).keys() == {
            f"file:///in/{each}" for each, size in changed.items() if size
        }
        folder = changed


def test_packs_have_about_the_wanted_length() -> None:
    """Thousands of short files come in packs, none longer than four times what is wanted."""
    splits = plan_splits(files_of({f"day-{number:05d}": 10 for number in range(20_000)}), STEADY)
    assert 800 < len(splits) < 1_300
    assert max(split.length for split in splits) <= LONGEST_PACK * 200


def test_a_pack_ends_at_four_times_its_length_at_the_latest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An input of the length of a pack is none, and long packs have four times that length."""
    monkeypatch.setattr("mapreduce.engine.split._ends_pack", lambda *_: False)
    short = plan_splits(inputs_of([199] * 9), STEADY)
    assert [5, 4] == [len(split.pieces) for split in short]
    exact = plan_splits(inputs_of([100] * 17), STEADY)
    assert [8, 8, 1] == [len(split.pieces) for split in exact]
    mixed = plan_splits(inputs_of([199, 200, 199, 199, 199, 199, 199]), STEADY)
    assert [1, 1, 5] == [len(split.pieces) for split in mixed]
    full = [199, 199, 199, 199, 3, 1]
    counted = plan_splits(inputs_of([*full, *full, 200, *full]), STEADY)
    assert [6, 6, 1, 6] == [len(split.pieces) for split in counted]


def test_one_day_more_of_a_hundred() -> None:
    """By the default rule at most 3 % of the tasks are new, whatever the size of a day."""
    for size in (1_000, 37_000, 5 << 20, 300 << 20, 40 << 30):
        days = {f"2026-{number:03d}.log": size + number for number in range(1, 101)}
        rule = split_rule(sum(days.values()))
        before = {split.pieces for split in plan_splits(files_of(days), rule)}
        more = days | {"2026-101.log": size}
        assert rule == split_rule(sum(more.values()))
        after = [split.pieces for split in plan_splits(files_of(more), rule)]
        new = [pieces for pieces in after if pieces not in before]
        assert 0 < len(new) <= 0.03 * len(after)


def test_pieces_say_where_they_come_from() -> None:
    """A range has its input's ETag and size, and is its own source."""
    (split,) = plan_splits(inputs_of([3]), SplitRule(splits=1))
    (piece,) = split.pieces
    expected = ByteRange(
        url="file:///0", etag="0", size=3, start=0, end=3, source="file:///0", source_offset=0
    )
    assert expected == piece


def test_small_inputs_share_a_split() -> None:
    """Many small files share few splits."""
    splits = plan_splits(inputs_of([10] * 100), SplitRule(splits=2))
    assert [50, 50] == [len(split.pieces) for split in splits]


def test_input_changed_before_the_split_stage() -> None:
    """An input that has changed or is missing ends the split stage before it reads."""
    with engine(WordCount) as stages:
        inputs = stages.put([b"a\n", b"b\n"])
        stages.storage.write(inputs[1].url, b"c\n")
        with pytest.raises(InputChanged, match="1.txt has changed since the run was planned"):
            stages.split(inputs)
        stages.storage.delete([inputs[0].url])
        with pytest.raises(ObjectMissing, match="0.txt"):
            stages.split(inputs)


contents = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"a", b"word ", b"\xff", b"x" * 50]), max_size=40
).map(b"".join)


@given(st.lists(contents, min_size=1, max_size=3), st.integers(1, 64))
def test_chunk_files(texts: list[bytes], count: int) -> None:
    """Chunk files have whole records, each once, in order, with their offsets in the source."""
    with engine(WordCount) as stages:
        inputs = stages.put(texts)
        result = stages.split(inputs, count, mode="copy")
        pieces = [piece for split in result.splits for piece in split.pieces]
        chunks = [stages.storage.read(piece.url, etag=piece.etag) for piece in pieces]
        assert b"".join(texts) == b"".join(chunks)
        assert all(
            chunk
            == texts[int(piece.source[-5])][piece.source_offset : piece.source_offset + len(chunk)]
            and (
                piece.source_offset == 0
                or texts[int(piece.source[-5])][piece.source_offset - 1 :][:1] == b"\n"
            )
            and (0, len(chunk), len(chunk)) == (piece.start, piece.end, piece.size)
            for piece, chunk in zip(pieces, chunks, strict=True)
        )
        assert (sum(map(len, texts)), sum(map(len, texts))) == (
            result.bytes_read,
            result.bytes_written,
        )
        assert [
            f"{stages.store}/chunks/run-1/chunk-{number}.txt" for number in range(len(pieces))
        ] == [piece.url for piece in pieces]
        assert list(range(len(result.splits))) == [split.index for split in result.splits]


def test_range_mode_writes_nothing() -> None:
    """Planning ranges copies no byte."""
    with engine(WordCount) as stages:
        result = stages.split(stages.put([b"a\nb\n"]), 2)
        assert (0, 0) == (result.bytes_read, result.bytes_written)
        assert [] == list(stages.storage.list(stages.store))


# -- planning --------------------------------------------------------------------------------------


def _given(url: str, size: int, form: Format = TEXT) -> InputObject:
    return InputObject(
        url=f"file:///{url}", size=size, etag=f"e-{url}", name=f"n-{url}", format=form
    )


def _ranges(splits: tuple[Split, ...]) -> list[list[tuple[str, int, int]]]:
    return [[(each.url[-1], each.start, each.end) for each in split.pieces] for split in splits]


def test_a_range_has_all_that_is_known_of_its_input() -> None:
    """A range has its input's name, format and compression."""
    ((piece,),) = (split.pieces for split in plan_splits([_given("a", 9, Csv())], ONE, ["gzip"]))
    assert (
        ByteRange(
            url="file:///a",
            etag="e-a",
            size=9,
            start=0,
            end=9,
            source="file:///a",
            name="n-a",
            format=Csv(),
            compression="gzip",
        )
        == piece
    )


def test_an_input_that_cannot_be_cut_is_in_one_split() -> None:
    """An input that cannot be cut is whole in the split of its first byte, and empty splits are
    dropped.
    """
    inputs = [_given("a", 10), _given("b", 20), _given("c", 10)]
    assert [
        [("a", 0, 10)],
        [("b", 0, 20)],
        [("c", 0, 10)],
    ] == _ranges(plan_splits(inputs, SplitRule(splits=4), [None, "xz", None]))
    splits = plan_splits(inputs, SplitRule(splits=3), ["gzip", "xz", "zstd"])
    assert [[("a", 0, 10), ("b", 0, 20)], [("c", 0, 10)]] == _ranges(splits)
    assert [0, 1] == [split.index for split in splits]


def test_files_that_are_records_count_though_they_are_empty() -> None:
    """An empty file that is a record counts as one byte, and an empty text is in no split."""
    inputs = [_given("a", 0, WholeFile()), _given("b", 0), _given("c", 0, WholeFile())]
    assert [[("a", 0, 0)], [("c", 0, 0)]] == _ranges(plan_splits(inputs, SplitRule(splits=5)))
    assert [[("a", 0, 0), ("c", 0, 0)]] == _ranges(plan_splits(inputs, SplitRule(splits=1)))
    assert () == plan_splits([_given("b", 0)], SplitRule(splits=5))
    assert () == plan_splits([], ONE)


def test_each_input_has_its_compression_or_none_has() -> None:
    """A list of compressions of another length raises ValueError."""
    with pytest.raises(ValueError, match="zip"):
        plan_splits([_given("a", 1), _given("b", 1)], ONE, ["gzip"])


# -- the stage -------------------------------------------------------------------------------------


def _stage(
    stages: Engine, inputs: tuple[InputObject, ...], **options: object
) -> tuple[SplitResult, TaskContext]:
    context = stages.context()
    cut = {name: options.pop(name) for name in ("splits", "split_bytes") if name in options}
    options = {"run": "run-1", "store": stages.store, "inputs": inputs, "cut": cut} | options
    return run_split(SplitTask.model_validate(options), context), context


def test_the_stage_plans_by_number_or_by_length() -> None:
    """The stage plans by number or by length, after it has found the compressed inputs."""
    with engine(WordCount) as stages:
        inputs = stages.put([b"a b\n" * 10, gzip.compress(b"a\n" * 99, mtime=0)])
        result, _ = _stage(stages, inputs, splits=4)
        assert plan_splits(inputs, SplitRule(splits=4), [None, "gzip"]) == result.splits
        result, _ = _stage(stages, inputs, split_bytes=10)
        assert plan_splits(inputs, SplitRule(split_bytes=10), [None, "gzip"]) == result.splits
        assert (None, {}, 0, 0) == (
            *(result.boundaries, result.unpacked, result.bytes_read, result.bytes_written),
        )
        assert result.cost.peak_memory_bytes > 0


def test_ranges_of_a_format_with_a_header_know_it() -> None:
    """Each range of a format with a header has the header."""
    with engine(WordCount) as stages:
        inputs = stages.put([b"x,y\n" + b"1,2\n" * 20], Csv())
        result, _ = _stage(stages, inputs, splits=3)
        marks = [piece for split in result.splits for piece in split.pieces]
        assert [0, 1, 2] == [split.index for split in result.splits]
        assert 3 == len(marks)
        assert all(piece.header for piece in marks)


def test_key_ranges_are_sampled_all_over_the_inputs() -> None:
    """Keys are sampled from all inputs, if a job and a number of key ranges are given."""
    with engine(WordCount) as stages:
        inputs = stages.put(
            [b"".join(b"word%c%c\n" % (n // 26 + 97, n % 26 + 97) for n in range(676))]
        )
        boundaries, samples = [], []
        for options in ({"key_ranges": 2, "job": stages.spec}, {"job": stages.spec}, {}):
            result, _ = _stage(stages, inputs, splits=1, **options)
            boundaries.append(result.boundaries)
            samples.append(len(result.splits))
        assert [1, 1, 1] == samples
        assert boundaries[0] is not None
        (middle,) = read_boundaries(boundaries[0], stages.storage)
        assert encode_key("wordk") < middle < encode_key("wordq")
        assert [None, None] == boundaries[1:]


def test_keys_of_a_compressed_input_are_sampled_too() -> None:
    """Keys of a compressed input are sampled from its unpacked bytes."""
    words = b"".join(b"word%c%c\n" % (n // 26 + 97, n % 26 + 97) for n in range(676))
    with engine(WordCount) as stages:
        inputs = stages.put([gzip.compress(words, mtime=0)])
        result, _ = _stage(stages, inputs, splits=1, key_ranges=2, job=stages.spec)
        assert result.boundaries is not None
        (middle,) = read_boundaries(result.boundaries, stages.storage)
        assert encode_key("worda") < middle < encode_key("wordz")
