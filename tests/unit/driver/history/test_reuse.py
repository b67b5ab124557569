"""Which objects of an earlier run are reused: only those with the bytes that their task wrote."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from driver.history.reuse import (
    FinishedTasks,
    from_record,
    is_whole,
    objects_of,
    part_of,
    to_record,
)
from driver.plan.tasks import TaskSpec
from mapreduce.input_formats import Pairs
from mapreduce.storage import ObjectInfo, Storage, open_storage
from mapreduce.storage.digest import digest_of_bytes
from mapreduce.wire.messages import (
    ByteRange,
    Cost,
    InputObject,
    MapResult,
    Split,
    SplitResult,
    StoredObject,
)
from tests.unit.driver.fakes import map_specs

KEY, OTHER = "1" * 64, "2" * 64
COST = Cost(seconds=1, peak_memory_bytes=1)


class _Vouching:
    """The local store, with ETags that guarantee the bytes; counts reads."""

    def __init__(self) -> None:
        self._storage = open_storage()
        self.streamed = 0

    def vouches(self, url: str) -> bool:
        return True

    def stream(self, *arguments: object, **options: object) -> object:
        self.streamed += 1
        return self._storage.stream(*arguments, **options)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> object:
        return getattr(self._storage, name)


def _write(folder: Path, name: str, content: bytes) -> ObjectInfo:
    return replace(
        open_storage().write(f"file://{folder}/{name}", content), digest=digest_of_bytes(content)
    )


def _result(info: ObjectInfo, **changes: object) -> MapResult:
    result = MapResult(
        url=info.url,
        etag=info.etag,
        size=info.size,
        digest=info.digest,
        pieces=(),
        records_in=1,
        records_out=1,
        counters={},
        cost=COST,
    )
    return result.model_copy(update=changes)


def _same_etag(info: ObjectInfo) -> ObjectInfo:
    """Return the object's record with its current ETag, as if the change had kept the ETag."""
    return replace(info, etag=open_storage().head(info.url).etag)


def test_an_object_as_it_was_written_is_whole(tmp_path: Path) -> None:
    """An unchanged object is whole, also an empty one."""
    for content in (b"pairs", b""):
        assert is_whole(open_storage(), _write(tmp_path, "a", content))


@pytest.mark.parametrize("content", [b"paird", b"pair", b"pairss", b""])
def test_an_object_with_other_bytes_is_not_whole(tmp_path: Path, content: bytes) -> None:
    """An object with other bytes is not whole: its ETag, length or digest shows it."""
    info = _write(tmp_path, "a", b"pairs")
    (tmp_path / "a").write_bytes(content)
    assert not is_whole(open_storage(), info)
    assert not is_whole(open_storage(), _same_etag(info))


def test_a_missing_object_is_not_whole(tmp_path: Path) -> None:
    """A missing object, and a folder, are not whole."""
    info = _write(tmp_path, "a", b"pairs")
    (tmp_path / "a").unlink()
    assert not is_whole(open_storage(), info)
    (tmp_path / "a").mkdir()
    assert not is_whole(open_storage(), info)


def test_an_object_without_a_digest_is_whole_only_where_the_store_vouches(tmp_path: Path) -> None:
    """An object without a digest, of an older version, is whole only where ETags guarantee the
    bytes.
    """
    info = replace(_write(tmp_path, "a", b"pairs"), digest="")
    vouching: Storage = _Vouching()  # type: ignore[assignment]
    assert not is_whole(open_storage(), info)
    assert is_whole(vouching, info)


def test_a_store_that_vouches_is_not_read(tmp_path: Path) -> None:
    """An object is read only if its store does not guarantee the bytes."""
    info = _write(tmp_path, "a", b"pairs")
    vouching = _Vouching()
    assert is_whole(vouching, info)  # type: ignore[arg-type]
    assert is_whole(vouching, replace(info, digest=digest_of_bytes(b"other")))  # type: ignore[arg-type]
    assert vouching.streamed == 0
    assert not is_whole(vouching, replace(info, etag="other"))  # type: ignore[arg-type]


def test_a_record_gives_the_result_back() -> None:
    """A record returns the result for its key, and for no other."""
    result = _result(ObjectInfo("file:///a", 3, "e", "d" * 32))
    record = to_record(KEY, result)
    assert result == from_record(KEY, record)
    assert from_record(OTHER, record) is None


def test_no_byte_of_a_record_may_change() -> None:
    """A record with a changed, missing or added byte is refused."""
    record = to_record(KEY, _result(ObjectInfo("file:///a", 3, "e", "d" * 32)))
    for at in range(len(record)):
        assert from_record(KEY, record[:at] + bytes([record[at] ^ 1]) + record[at + 1 :]) is None
        assert from_record(KEY, record[:at]) is None
    assert from_record(KEY, record + b" ") is None


def test_a_record_of_another_version_is_none() -> None:
    """A record of another version is refused."""
    text = b'{"stage":"map","url":"file:///a"}'
    sealed = digest_of_bytes(KEY.encode() + b"\n" + text).encode() + b"\n" + text
    assert from_record(KEY, sealed) is None
    assert from_record(KEY, text) is None


def test_objects_of_a_task(tmp_path: Path) -> None:
    """A task's objects are its part and its pairs; a split's are the chunk files, without the
    inputs.
    """
    info = ObjectInfo("file:///part", 3, "e", "d" * 32)
    pairs = InputObject(url="file:///pairs", size=4, etag="f", format=Pairs(), digest="c" * 32)
    assert list(objects_of(_result(info))) == [info] == [part_of(_result(info))]
    assert list(objects_of(_result(info, pairs=pairs))) == [
        info,
        ObjectInfo("file:///pairs", 4, "f", "c" * 32),
    ]
    assert list(objects_of(_result(info, url=""))) == []
    piece = ByteRange(url="file:///in", etag="e", size=9, start=0, end=9, source="file:///in")
    chunk = piece.model_copy(update={"url": "file:///chunk", "etag": "g", "digest": "b" * 32})
    splits = (Split(index=0, pieces=(piece, chunk)), Split(index=1, pieces=(chunk,)))
    planned = SplitResult(splits=splits, bytes_read=0, bytes_written=0, cost=COST)
    assert list(objects_of(planned)) == [ObjectInfo("file:///chunk", 9, "g", "b" * 32)]
    ranges = StoredObject(url="file:///boundaries", size=2, etag="h", digest="a" * 32)
    assert list(objects_of(planned.model_copy(update={"boundaries": ranges}))) == [
        ObjectInfo("file:///chunk", 9, "g", "b" * 32),
        ObjectInfo("file:///boundaries", 2, "h", "a" * 32),
    ]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[FinishedTasks, list[TaskSpec], list[MapResult]]:
    """Three finished tasks in a store, each with an object."""
    finished = FinishedTasks(open_storage(), f"file://{tmp_path}")
    specs = map_specs([1, 1, 1])
    results = [
        _result(_write(tmp_path, f"maps/{spec.index}", b"pairs %d" % spec.index)) for spec in specs
    ]
    for spec, result in zip(specs, results, strict=True):
        finished.remember(spec, result)
    return finished, specs, results


def test_finished_tasks_are_found(
    kept: tuple[FinishedTasks, list[TaskSpec], list[MapResult]],
) -> None:
    """Finished tasks are found by their keys, and none of their objects is lost."""
    finished, specs, results = kept
    assert finished.find(specs) == dict(enumerate(results))
    assert finished.find([replace(specs[0], key=OTHER)]) == {}
    assert finished.lost(results) == set()


def test_a_rotten_object_is_not_found(
    tmp_path: Path, kept: tuple[FinishedTasks, list[TaskSpec], list[MapResult]]
) -> None:
    """A task with a rotten object is not found, although its times are restored; the others are."""
    finished, specs, results = kept
    path = tmp_path / "maps" / "1"
    stat = path.stat()
    path.write_bytes(b"pairs 2")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert set(finished.find(specs)) == {0, 2}
    assert finished.lost(results) == {1}


def test_a_record_that_was_copied_to_another_task_is_not_found(
    tmp_path: Path, kept: tuple[FinishedTasks, list[TaskSpec], list[MapResult]]
) -> None:
    """A record that is copied to another task's key is not found."""
    finished, specs, _ = kept
    folder = tmp_path / "tasks"
    (folder / f"{specs[0].key}.json").write_bytes((folder / f"{specs[2].key}.json").read_bytes())
    assert set(finished.find(specs)) == {1, 2}


def test_a_record_is_the_digest_of_key_and_text_and_the_text(tmp_path: Path) -> None:
    """A record has the pinned form, so that later versions find it: digest of key and text, then
    the text.
    """
    result = _result(_write(tmp_path, "a", b"pairs"))
    text = result.model_dump_json().encode()
    digest = digest_of_bytes(KEY.encode() + b"\n" + text).encode()
    assert digest + b"\n" + text == to_record(KEY, result)
