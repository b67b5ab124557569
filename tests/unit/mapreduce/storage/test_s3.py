"""S3Storage with obstore's store in memory, and obstore's errors as ours."""

from __future__ import annotations

import builtins
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn, cast

import obstore
import obstore.exceptions
import pytest
from obstore.exceptions import BaseError
from obstore.store import MemoryStore

from mapreduce.errors import (
    InputChanged,
    MapReduceError,
    ObjectExists,
    ObjectMissing,
    StorageError,
)
from mapreduce.storage import ObjectInfo
from mapreduce.storage import s3 as module
from mapreduce.storage.base import (
    LARGE_BYTES,
    LARGE_PART_BYTES,
    PART_BYTES,
    PARTS_IN_MEMORY_BYTES,
)
from mapreduce.storage.requests import Requests
from mapreduce.storage.s3 import S3Storage, open_s3

URL = "s3://b/folder/a"


@pytest.fixture
def storage() -> S3Storage:
    """A bucket in memory."""
    return S3Storage(cast(Any, MemoryStore()), "s3://b")


# -- errors ----------------------------------------------------------------------------------------


FOREIGN = sorted(
    {
        cls
        for cls in vars(obstore.exceptions).values()
        if isinstance(cls, type) and issubclass(cls, Exception)
    }
    | {OSError, ConnectionError, TimeoutError, FileNotFoundError, ValueError},
    key=lambda cls: cls.__name__,
)
EXPECTED = {
    "NotFoundError": ObjectMissing,
    "FileNotFoundError": ObjectMissing,
    "AlreadyExistsError": ObjectExists,
    "PreconditionError": InputChanged,
}
CALLS: dict[str, Any] = {
    "head": lambda storage: storage.head(URL),
    "get": lambda storage: storage.read(URL),
    "put": lambda storage: storage.write(URL, b"x"),
    "copy": lambda storage: storage.copy(URL, f"{URL}2"),
    "list": lambda storage: storage.list("s3://b/folder"),
    "delete": lambda storage: storage.delete([URL]),
}


def test_the_list_is_that_of_the_library() -> None:
    """All exception classes of obstore have one root, which is caught."""
    assert len(FOREIGN) > 10
    ours = [cls for cls in FOREIGN if not hasattr(builtins, cls.__name__)]
    assert all(issubclass(cls, BaseError) for cls in ours)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("cls", FOREIGN, ids=lambda cls: cls.__name__)
def test_no_error_of_the_library_passes(
    storage: S3Storage,
    monkeypatch: pytest.MonkeyPatch,
    cls: type[Exception],
    call: str,
) -> None:
    """Each error of each call becomes ours, with obstore's as the cause."""

    def broken(*_: object, **__: object) -> NoReturn:
        raise cls("it failed\nwith details")

    monkeypatch.setattr(obstore, call, broken)
    expected = EXPECTED.get(cls.__name__, StorageError)
    if call == "delete" and expected is ObjectMissing:
        CALLS[call](storage)
        return
    with pytest.raises(expected) as caught:
        CALLS[call](storage)
    assert isinstance(caught.value.__cause__, cls)
    assert "\n" not in str(caught.value)
    assert "b/folder" in str(caught.value)


def test_an_error_in_the_middle_of_a_stream_is_ours(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error after some bytes of a stream becomes ours."""
    storage.write(URL, b"content")

    class _Cut:
        def stream(self, _: int) -> Iterator[bytes]:
            yield b"con"
            raise obstore.exceptions.GenericError("cut")

    monkeypatch.setattr(obstore, "get", lambda *_, **__: _Cut())
    with pytest.raises(StorageError, match="cut"):
        list(storage.stream(URL, 0, 7, etag="e", ahead=1))


def test_a_message_of_blank_lines_is_the_class_name(
    storage: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error with a blank message shows its class name."""

    def broken(*_: object) -> NoReturn:
        raise OSError("\n \n")

    monkeypatch.setattr(obstore, "head", broken)
    with pytest.raises(StorageError, match=r"failed at s3://b/folder/a: OSError"):
        storage.head(URL)


# -- objects ---------------------------------------------------------------------------------------


def test_a_written_object_is_read(storage: S3Storage) -> None:
    """A written object is read whole, in part, from an offset, and with an ETag."""
    info = storage.write(URL, b"0123456789")
    assert (URL, 10, info.etag) == (info.url, info.size, storage.head(URL).etag)
    assert [b"0123456789", b"34", b"789", b""] == [
        storage.read(URL),
        storage.read(URL, 3, 5),
        storage.read(URL, 7, etag=info.etag),
        storage.read(URL, 5, 5),
    ]
    with pytest.raises(InputChanged):
        storage.read(URL, etag="another")


def test_an_end_beyond_the_object_is_a_change(storage: S3Storage) -> None:
    """An object that is shorter than planned raises InputChanged."""
    storage.write(URL, b"0123")
    with pytest.raises(InputChanged, match="ended 2 bytes before byte 6"):
        storage.read(URL, 1, 6)
    with pytest.raises(InputChanged, match="ended 2 bytes before byte 6"):
        list(storage.stream(URL, 1, 6, ahead=1, block_bytes=8))


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("pinned", [False, True])
def test_a_stream_is_of_one_version(storage: S3Storage, ahead: int, *, pinned: bool) -> None:
    """All blocks of a stream have one ETag: the given one, or the first block's."""
    content = bytes(range(100))
    etag = storage.write(URL, content).etag if pinned else None
    storage.write(URL, content)
    if pinned:
        etag = storage.head(URL).etag
    stream = storage.stream(URL, 5, 95, etag=etag, block_bytes=30, ahead=ahead)
    assert content[5:95] == b"".join(stream)
    stream = storage.stream(URL, 0, 100, etag=etag, block_bytes=10, ahead=0)
    first = next(stream)
    storage.write(URL, content[::-1])
    assert content[:10] == first
    with pytest.raises(InputChanged):
        list(stream)


def test_a_file_is_written_with_progress(storage: S3Storage, tmp_path: Path) -> None:
    """A file's progress is reported as it is read, and a large file is written in parts."""
    path = tmp_path / "large"
    size = PART_BYTES + 5
    path.write_bytes(b"x" * size)
    seen: list[int] = []
    info = storage.write(URL, path, progress=seen.append)
    assert (size, size) == (info.size, seen[-1])
    assert sorted(seen) == seen
    assert Requests(put=4) == storage.requests
    assert size == storage.write(URL, path).size


@pytest.mark.parametrize(
    ("size", "parts", "requests"),
    [
        (LARGE_BYTES, PART_BYTES, 18),
        (LARGE_BYTES + 1, LARGE_PART_BYTES, 11),
        (4 * LARGE_BYTES, LARGE_PART_BYTES, 34),
    ],
)
def test_a_large_object_has_larger_parts(
    storage: S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, parts: int,
    requests: int,
) -> None:  # fmt: skip
    """Fewer of them are sent at once, so that no more memory is held."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(size)
    given: dict[str, Any] = {}

    def put(*_: Any, **options: Any) -> dict[str, str]:
        given.update(options)
        return {"e_tag": "e"}

    monkeypatch.setattr(obstore, "put", put)
    storage.write(URL, path)
    assert (True, parts) == (given["use_multipart"], given["chunk_size"])
    assert PARTS_IN_MEMORY_BYTES == given["max_concurrency"] * parts
    assert Requests(put=requests) == storage.requests


class _Conflicting(BaseHTTPRequestHandler):
    """Answers 409 to so many PUTs, as S3 does while another write is under way; then 200."""

    conflicts = 0

    def do_PUT(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        cls = type(self)
        cls.conflicts, left = cls.conflicts - 1, cls.conflicts
        body = b"<Error><Code>ConditionalRequestConflict</Code></Error>" if left > 0 else b""
        self.send_response(409 if body else 200)
        self.send_header("etag", '"e1"')
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.mark.parametrize("conflicts", [0, 3, 100])
def test_a_conflict_says_nothing_about_an_object(
    conflicts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A create that gets 409 is sent again: the object may not exist. S3 asks for that."""
    waits: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=waits.append))
    server = HTTPServer(("127.0.0.1", 0), _Conflicting)
    _Conflicting.conflicts = conflicts
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOLD")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    try:
        bucket = open_s3("b")
        if conflicts == 100:
            with pytest.raises(StorageError, match="409") as caught:
                bucket.create(URL, b"1")
            assert not isinstance(caught.value, ObjectExists)
        else:
            assert '"e1"' == bucket.create(URL, b"1").etag
            assert Requests(put=conflicts + 1) == bucket.requests
        assert list(module.CONFLICT_WAITS_S[:conflicts]) == waits
    finally:
        server.shutdown()
        server.server_close()


def test_a_create_does_not_replace(storage: S3Storage) -> None:
    """A create does not replace an object."""
    assert 1 == storage.create(URL, b"1").size
    with pytest.raises(ObjectExists):
        storage.create(URL, b"22")
    assert b"1" == storage.read(URL)


def test_a_listing_is_sorted_and_below_the_prefix(storage: S3Storage) -> None:
    """A listing is sorted, and excludes objects whose name only begins like the folder's."""
    for name in ("folder/b", "folder/a/c", "folder2/x"):
        storage.write(f"s3://b/{name}", b"x")
    found = [info.url for info in storage.list("s3://b/folder/")]
    assert ["s3://b/folder/a/c", "s3://b/folder/b"] == found
    assert 3 == len(list(storage.list("s3://b")))
    assert [] == list(storage.unfinished("s3://b", 0.0))
    assert storage.vouches(URL)


def test_deleting_twice_is_no_error(storage: S3Storage) -> None:
    """A second delete of an object does not raise."""
    storage.write(URL, b"x")
    storage.delete([URL])
    storage.delete([URL])
    with pytest.raises(ObjectMissing):
        storage.head(URL)


def test_a_copy_is_of_the_expected_object(storage: S3Storage) -> None:
    """A copy of a changed object is deleted, and a right copy keeps the digest."""
    storage.write(URL, b"x")
    expected = ObjectInfo(URL, 1, storage.head(URL).etag, digest="d")
    assert "d" == storage.copy(URL, "s3://b/copy", expected=expected).digest
    assert b"x" == storage.read("s3://b/copy")
    assert "s3://b/plain" == storage.copy(URL, "s3://b/plain").url
    storage.write(URL, b"changed")
    with pytest.raises(InputChanged):
        storage.copy(URL, "s3://b/wrong", expected=expected)
    with pytest.raises(ObjectMissing):
        storage.head("s3://b/wrong")


def test_a_large_object_is_copied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large object is copied by the given function, with its ETag."""
    store = MemoryStore()
    asked: list[tuple[str, ...]] = []
    storage = S3Storage(
        cast(Any, store), "s3://b", copy_large=lambda *copy: asked.append(copy)
    ).with_own_count()
    etag = storage.write(URL, b"0123456789").etag or storage.head(URL).etag
    storage.write("s3://b/copy", b"0123456789")
    monkeypatch.setattr(module, "COPY_BYTES", 4)
    storage.copy(URL, "s3://b/copy")
    assert [(URL, "s3://b/copy", etag)] == asked
    assert 2 + 3 == storage.requests.copy


def test_a_url_of_another_bucket_is_refused(storage: S3Storage) -> None:
    """A URL of another bucket is refused."""
    with pytest.raises(MapReduceError, match="not in s3://b"):
        storage.head("s3://c/a")


@pytest.mark.parametrize(
    ("environment", "region", "expected"),
    [
        ({}, None, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "a"}, None, "a"),
        ({"AWS_DEFAULT_REGION": "a", "AWS_REGION": "b"}, None, "b"),
        ({"AWS_REGION": "b"}, "c", "c"),
    ],
)
def test_region_and_endpoint_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], region: str | None, expected: str
) -> None:
    """Region and endpoint come from AWS's variables, and plain HTTP needs an `http:` endpoint."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made: list[dict[str, Any]] = []
    monkeypatch.setattr(module, "S3Store", lambda bucket, **options: made.append(options))
    open_s3("b", region=region)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    open_s3("b", region=region)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://store:1")
    open_s3("b", region=region)
    assert [expected] * 3 == [options["region"] for options in made]
    assert [None, "http://localhost:1", "https://store:1"] == [
        options.get("endpoint") for options in made
    ]
    assert [False, True, False] == [options["client_options"]["allow_http"] for options in made]
