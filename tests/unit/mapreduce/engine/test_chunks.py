"""Chunk files: their content, their ranges, and the cuts of a compressed input."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest

from mapreduce.engine import TaskContext, chunks
from mapreduce.engine.chunks import copy_splits
from mapreduce.engine.split import run_split
from mapreduce.errors import InputChanged
from mapreduce.input_formats import Csv, Format, Text, WholeFile
from mapreduce.storage import open_storage
from mapreduce.storage.base import AHEAD
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import (
    ByteRange,
    InputObject,
    Split,
    SplitResult,
    SplitRule,
    SplitTask,
)
from mapreduce_jobs.word_count import WordCount
from tests.unit.mapreduce.engine_run import Engine, engine

LINES = [b"%d %d\n" % (number, random.Random(number).getrandbits(64)) for number in range(2000)]


def _copied(
    stages: Engine, inputs: tuple[InputObject, ...], **options: object
) -> tuple[SplitResult, TaskContext]:
    context = stages.context()
    cut = SplitRule.model_validate(options)
    task = {"run": "run-7", "store": stages.store, "inputs": inputs, "mode": "copy", "cut": cut}
    return run_split(SplitTask.model_validate(task), context), context


def _pieces(result: SplitResult) -> list[ByteRange]:
    return [piece for split in result.splits for piece in split.pieces]


def test_the_range_of_a_chunk() -> None:
    """A chunk's range has its URL and bytes, and the place of its first record in the input."""
    with engine(WordCount) as stages:
        (given,) = stages.put([b"one\ntwo\nthree\n"])
        given = given.model_copy(update={"name": "left"})
        result, context = _copied(stages, (given,), splits=2)
        expected = []
        for number, (at, content) in enumerate([(0, b"one\ntwo\n"), (8, b"three\n")]):
            url = f"{stages.store}/chunks/run-7/chunk-{number}.txt"
            info = stages.storage.head(url)
            assert content == stages.storage.read(url)
            expected.append(
                ByteRange(
                    url=url,
                    etag=info.etag,
                    size=len(content),
                    start=0,
                    end=len(content),
                    source=given.url,
                    source_offset=at,
                    name="left",
                    format=Text(),
                    digest=digest_of_bytes(content),
                )
            )
        assert expected == _pieces(result)
        assert (14, 14, {}) == (result.bytes_read, result.bytes_written, result.unpacked)
        assert context.meter.bytes >= 14
        assert [] == list(Path(context.scratch).rglob("*"))


def test_a_header_goes_with_every_chunk() -> None:
    """Every chunk's range has the header of its input."""
    with engine(WordCount) as stages:
        inputs = stages.put([b"x,y\n" + b"1,2\n" * 20], Csv())
        result, _ = _copied(stages, inputs, splits=3)
        pieces = _pieces(result)
        assert 3 == len(pieces)
        assert 1 == len({piece.header for piece in pieces})
        assert pieces[0].header
        assert all(piece.format == Csv() for piece in pieces)


@pytest.mark.parametrize("form", [WholeFile()])
def test_files_of_other_formats_are_read_where_they_lie(form: Format) -> None:
    """A file of another format is not copied."""
    with engine(WordCount) as stages:
        inputs = stages.put([b"a file\n", b"another\n"], form)
        result, context = _copied(stages, inputs, splits=2)
        assert [given.url for given in inputs] == [piece.url for piece in _pieces(result)]
        assert (0, 0, 0) == (result.bytes_read, result.bytes_written, context.meter.bytes)


def test_an_input_that_changes_during_the_copy_is_not_mixed() -> None:
    """A change of an input during the copy raises InputChanged."""
    with engine(WordCount) as stages:
        (given,) = stages.put([b"one\n"])
        split = Split(
            index=0,
            pieces=(
                ByteRange(url=given.url, etag="another", size=4, start=0, end=4, source=given.url),
            ),
        )
        task = SplitTask(run="run-1", store=stages.store, inputs=(given,), cut=SplitRule(splits=1))
        with pytest.raises(InputChanged):
            copy_splits(task, (split,), stages.context())


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed input can be cut every 512 bytes."""
    monkeypatch.setattr(chunks, "CUT_BYTES", 512)


@pytest.mark.usefixtures("fine")
def test_a_compressed_input_is_cut_by_its_compressed_bytes() -> None:
    """A compressed input becomes about as many chunks as splits, each a separate split, with all
    records.
    """
    packed = gzip.compress(b"".join(LINES), mtime=0)
    with engine(WordCount) as stages:
        inputs = stages.put([packed])
        for options, count in (
            ({"splits": 4}, 4),
            ({"split_bytes": len(packed) // 8}, 8),
            ({"split_bytes": 1024}, len(packed) // 1024),
            ({"splits": 1}, 1),
        ):
            result, context = _copied(stages, inputs, **options)
            pieces = _pieces(result)
            contents = [stages.storage.read(piece.url) for piece in pieces]
            assert abs(len(pieces) - count) <= 1
            assert len(result.splits) == len(pieces)
            assert b"".join(LINES) == b"".join(contents)
            at = 0
            for piece, content in zip(pieces, contents, strict=True):
                assert (at, None) == (piece.source_offset, piece.compression)
                assert content.endswith(b"\n")
                at += len(content)
            if 1 < count < 10:  # all except the last have about the same compressed length
                sizes = [len(gzip.compress(content)) for content in contents[:-1]]
                assert max(sizes) < 1.5 * len(packed) / count + 512
            assert {inputs[0].url: at} == result.unpacked
            assert (len(packed), at) == (context.meter.bytes, result.bytes_written)


@pytest.mark.usefixtures("fine")
def test_small_inputs_beside_a_compressed_one_share_a_split() -> None:
    """Small inputs before a compressed one share a split, as do those after it, in their order."""
    packed = gzip.compress(b"".join(LINES), mtime=0)
    with engine(WordCount) as stages:
        inputs = stages.put([b"before\n", b"too\n", packed, b"after\n", b"last\n"])
        pieces = tuple(
            ByteRange(
                url=given.url,
                etag=given.etag,
                size=given.size,
                start=0,
                end=given.size,
                source=given.url,
                compression="gzip" if given is inputs[2] else None,
            )
            for given in inputs
        )
        task = SplitTask(
            run="run-1",
            store=stages.store,
            inputs=inputs,
            cut=SplitRule(split_bytes=len(packed) // 2),
        )
        splits, *_ = copy_splits(task, (Split(index=0, pieces=pieces),), stages.context())
        sources = [[int(piece.source[-5]) for piece in split.pieces] for split in splits]
        assert [[0, 1], *[[2]] * (len(splits) - 2), [3, 4]] == sources
        assert len(splits) >= 4
        assert list(range(len(splits))) == [split.index for split in splits]


@pytest.mark.usefixtures("fine")
def test_the_splits_before_a_compressed_input_stay() -> None:
    """The splits before a compressed input keep their ranges."""
    text, packed = b"".join(LINES)[:5000], gzip.compress(b"".join(LINES), mtime=0)
    with engine(WordCount) as stages:
        inputs = stages.put([text, packed])
        result, _ = _copied(stages, inputs, split_bytes=2500)
        sources = [[int(piece.source[-5]) for piece in split.pieces] for split in result.splits]
        copied = b"".join(stages.storage.read(piece.url) for piece in _pieces(result))
        assert text + b"".join(LINES) == copied
        assert sorted(sources) == sources
        assert [0] == sources[1]
        assert [1] == sources[-2]


def test_a_compressed_input_of_one_chunk_shares_a_split() -> None:
    """A compressed input of one chunk shares a split, like a text of its length."""
    packed = gzip.compress(b"one\n", mtime=0)
    with engine(WordCount) as stages:
        inputs = stages.put([b"a\n", packed, b"b\n"])
        result, _ = _copied(stages, inputs, splits=1)
        assert [3] == [len(split.pieces) for split in result.splits]
        assert {inputs[1].url: 4} == result.unpacked


def test_an_input_of_no_record_has_no_chunk() -> None:
    """A compressed input that unpacks to nothing has no chunk."""
    with engine(WordCount) as stages:
        inputs = stages.put([gzip.compress(b"", mtime=0)])
        result, _ = _copied(stages, inputs, splits=1)
        assert ((), {inputs[0].url: 0}) == (result.splits, result.unpacked)


def test_blocks_are_those_of_the_tasks_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks have the size of the task's memory, and some are read ahead."""
    asked: list[tuple[object, object, object]] = []
    with engine(WordCount) as stages:
        inputs = stages.put([b"one\n"])
        storage = open_storage()
        real = type(storage).stream

        def stream(self: object, url: str, start: int, end: int, **options: object) -> object:
            if "ahead" in options:
                asked.append((options["block_bytes"], options["ahead"], options["etag"]))
            return real(self, url, start, end, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(type(storage), "stream", stream)
        _, context = _copied(stages, inputs, splits=1)
        assert (context.block_bytes, AHEAD, inputs[0].etag) in asked
