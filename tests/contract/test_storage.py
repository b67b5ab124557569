"""What every storage must do, for each of them: a local folder, and S3 by two servers."""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import obstore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapreduce.errors import InputChanged, ObjectExists, ObjectMissing, RefusedURL, StorageError
from mapreduce.storage import Grants, ObjectInfo, Storage, open_storage
from mapreduce.storage.base import PART_BYTES
from mapreduce.storage.digest import digest_of_bytes
from tests.contract.conftest import BUCKET
from tests.contract.emulator import SERVERS, Emulator

DIGITS = b"0123456789"


@pytest.fixture(params=["local", *(pytest.param(name, marks=pytest.mark.s3) for name in SERVERS)])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty folder; the environment has the emulator's address."""
    if request.param == "local":
        return f"file://{tmp_path}/store"
    for name, value in request.getfixturevalue(request.param).environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"


@pytest.fixture
def storage(root: str) -> Storage:
    """A storage without grants."""
    return open_storage()


# -- reading ---------------------------------------------------------------------------------------


def test_write_head_read(storage: Storage, root: str) -> None:
    """A written object can be read, with the same size and ETag from write, head and list."""
    url = f"{root}/a/b.txt"
    written = storage.write(url, DIGITS)
    assert (url, 10) == (written.url, written.size)
    assert written.etag
    assert written == storage.head(url)
    assert [written] == list(storage.list(root))
    assert DIGITS == storage.read(url)


@pytest.mark.parametrize(
    ("start", "end"), [(0, None), (3, None), (0, 10), (0, 1), (9, 10), (2, 5), (4, 4), (7, 2)]
)
def test_ranges(storage: Storage, root: str, start: int, end: int | None) -> None:
    """A range equals a slice, by read and by stream, with and without a pinned ETag."""
    etag = storage.write(f"{root}/a", DIGITS).etag
    expected = DIGITS[start:end]
    for pin in (None, etag):
        assert expected == storage.read(f"{root}/a", start, end, etag=pin)
        assert expected == b"".join(
            storage.stream(f"{root}/a", start, 10 if end is None else end, etag=pin)
        )


def test_stream_in_blocks(storage: Storage, root: str) -> None:
    """A stream of a long range yields several blocks, which together are the range."""
    data = bytes(range(256)) * 8_000
    storage.write(f"{root}/a", data)
    blocks = list(storage.stream(f"{root}/a", 5, len(data) - 5, block_bytes=200_000))
    assert data[5:-5] == b"".join(blocks)
    assert len(blocks) > 3
    assert all(isinstance(block, bytes) for block in blocks)


def test_range_beyond_the_end(storage: Storage, root: str) -> None:
    """A range beyond the object's end raises, and never returns fewer bytes."""
    storage.write(f"{root}/a", DIGITS)
    with pytest.raises(InputChanged, match="cut short"):
        storage.read(f"{root}/a", 5, 11)
    with pytest.raises(InputChanged, match="cut short"):
        list(storage.stream(f"{root}/a", 0, 1 << 30))
    with pytest.raises((InputChanged, StorageError)):
        list(storage.stream(f"{root}/a", 20, 30))


def test_empty_object(storage: Storage, root: str) -> None:
    """An empty object can be written, read and streamed."""
    storage.write(f"{root}/empty", b"")
    assert 0 == storage.head(f"{root}/empty").size
    assert b"" == storage.read(f"{root}/empty")
    assert [] == list(storage.stream(f"{root}/empty", 0, 0))


def test_pinned_reads_after_an_overwrite(storage: Storage, root: str) -> None:
    """A read with a pinned ETag fails after an overwrite, even with as many bytes."""
    url = f"{root}/a"
    old = storage.write(url, DIGITS)
    new = storage.write(url, DIGITS[::-1])
    assert old.etag != new.etag
    assert DIGITS[::-1] == storage.read(url, etag=new.etag)
    reads: list[Callable[[], bytes]] = [
        lambda: storage.read(url, etag=old.etag),
        lambda: storage.read(url, 2, etag=old.etag),
        lambda: storage.read(url, 2, 5, etag=old.etag),
        lambda: b"".join(storage.stream(url, 2, 5, etag=old.etag)),
    ]
    for read in reads:
        with pytest.raises(InputChanged, match="has changed since the run was planned"):
            read()


def test_missing(storage: Storage, root: str) -> None:
    """Every operation on a missing object raises `ObjectMissing` with the URL."""
    url = f"{root}/none"
    storage.write(f"{root}/none-of-these", b"")
    for operation in (
        lambda: storage.head(url),
        lambda: storage.read(url),
        lambda: storage.read(url, 1, 2),
        lambda: storage.read(url, etag='"x"'),
        lambda: list(storage.stream(url, 0, 1)),
        lambda: storage.copy(url, f"{root}/copy"),
    ):
        with pytest.raises(ObjectMissing) as caught:
            operation()
        assert url in str(caught.value)
    assert [f"{root}/none-of-these"] == [info.url for info in storage.list(root)]


def test_folder_is_no_object(storage: Storage, root: str) -> None:
    """A folder of objects is not itself an object."""
    storage.write(f"{root}/folder/a", b"a")
    with pytest.raises(ObjectMissing):
        storage.head(f"{root}/folder")


# -- writing ---------------------------------------------------------------------------------------


def test_create(storage: Storage, root: str) -> None:
    """A create writes a new object, and never replaces one."""
    created = storage.create(f"{root}/a", DIGITS)
    assert created == storage.head(f"{root}/a")
    with pytest.raises(ObjectExists, match="already"):
        storage.create(f"{root}/a", b"other")
    assert DIGITS == storage.read(f"{root}/a", etag=created.etag)


def test_create_at_the_same_time(storage: Storage, root: str) -> None:
    """Of many concurrent creates of one object exactly one succeeds, and its bytes are stored."""
    barrier = threading.Barrier(8)

    def create(number: int) -> int | None:
        barrier.wait()
        try:
            storage.create(f"{root}/lock", b"%d" % number)
        except ObjectExists:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(create, range(8)) if number is not None]
    assert 1 == len(winners)
    assert b"%d" % winners[0] == storage.read(f"{root}/lock")


def test_replace(storage: Storage, root: str) -> None:
    """A replace writes over the version that it names, and over no other and no missing object."""
    first = storage.create(f"{root}/a", DIGITS)
    second = storage.replace(f"{root}/a", b"second", first.etag)
    assert second == storage.head(f"{root}/a")
    with pytest.raises(InputChanged):
        storage.replace(f"{root}/a", b"third", first.etag)
    assert b"second" == storage.read(f"{root}/a", etag=second.etag)
    with pytest.raises(InputChanged):
        storage.replace(f"{root}/b", DIGITS, first.etag)
    storage.delete([f"{root}/a"])
    with pytest.raises(InputChanged):
        storage.replace(f"{root}/a", DIGITS, second.etag)


def test_replace_at_the_same_time(storage: Storage, root: str) -> None:
    """Of many concurrent replaces of one version exactly one succeeds, and its bytes are stored."""
    barrier = threading.Barrier(8)
    etag = storage.create(f"{root}/lock", b"first").etag

    def take(number: int) -> int | None:
        barrier.wait()
        try:
            storage.replace(f"{root}/lock", b"%d" % number, etag)
        except InputChanged:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(take, range(8)) if number is not None]
    assert 1 == len(winners)
    assert b"%d" % winners[0] == storage.read(f"{root}/lock")


@pytest.mark.parametrize("extra", [-1, 0, 1, PART_BYTES + 5])
def test_write_from_a_file(storage: Storage, root: str, tmp_path: Path, extra: int) -> None:
    """A local file is written whole, in one part or several, and head returns the same ETag."""
    path = tmp_path / "upload"
    line = b"%d: the quick brown fox\n" % extra
    path.write_bytes((line * (2 * PART_BYTES // len(line) + 2))[: PART_BYTES + extra])
    written = storage.write(f"{root}/upload", path)
    assert PART_BYTES + extra == written.size
    assert written == storage.head(f"{root}/upload")
    found = hashlib.sha256()
    for block in storage.stream(f"{root}/upload", 0, written.size, etag=written.etag):
        found.update(block)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == found.hexdigest()
    assert [written] == list(storage.list(root))


def test_a_file_is_moved(storage: Storage, root: str, tmp_path: Path) -> None:
    """A file is moved into the store; a new file under its old name does not change the object."""
    path = tmp_path / "given"
    storage.write(f"{root}/deep/a", b"old")
    path.write_bytes(DIGITS)
    written = storage.write(f"{root}/deep/a", path, move=True)
    path.write_bytes(b"another")
    assert written == storage.head(f"{root}/deep/a")
    assert DIGITS == storage.read(f"{root}/deep/a", etag=written.etag)
    assert [written] == list(storage.list(root))


def test_only_plain_files_are_moved(tmp_path: Path) -> None:
    """A file that is moved onto itself stays; a link is moved by its content."""
    storage = open_storage()
    path, link = tmp_path / "a", tmp_path / "link"
    path.write_bytes(DIGITS)
    link.symlink_to("a")
    assert DIGITS == storage.read(storage.write(f"file://{path}", path, move=True).url)
    written = storage.write(f"file://{tmp_path}/deep/b", link, move=True)
    path.write_bytes(b"another")
    assert DIGITS == storage.read(written.url, etag=written.etag)


def test_a_copy_is_independent(tmp_path: Path) -> None:
    """An edit of a copy does not change its source."""
    storage = open_storage()
    storage.write(f"file://{tmp_path}/a", DIGITS)
    copied = storage.copy(f"file://{tmp_path}/a", f"file://{tmp_path}/b")
    (tmp_path / "a").write_bytes(b"edited")
    assert DIGITS == storage.read(copied.url, etag=copied.etag)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="there is no second file system here")
def test_a_file_of_another_file_system_is_moved(tmp_path: Path) -> None:
    """Between file systems, where a hard link is impossible, a file is copied."""
    storage = open_storage()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        path = Path(other, "given")
        path.write_bytes(DIGITS)
        written = storage.write(f"file://{tmp_path}/a", path, move=True)
        assert DIGITS == storage.read(written.url, etag=written.etag)
        copied = storage.copy(written.url, f"file://{other}/b")
        assert DIGITS == storage.read(copied.url, etag=copied.etag)
    assert [written] == list(storage.list(f"file://{tmp_path}"))


@pytest.mark.parametrize("size", [0, 10, PART_BYTES + 5])
def test_progress_of_a_write(storage: Storage, root: str, tmp_path: Path, size: int) -> None:
    """A write that reports progress stores the same bytes, and reports the whole size last."""
    path = tmp_path / "upload"
    path.write_bytes(bytes(size))
    told: list[int] = []
    written = storage.write(f"{root}/upload", path, progress=told.append)
    assert written == storage.head(f"{root}/upload")
    assert bytes(size) == storage.read(f"{root}/upload")
    assert sorted(told) == told
    assert ([size] if size else []) == told[-1:]


def test_overwrite(storage: Storage, root: str) -> None:
    """A write replaces the object, also with fewer bytes."""
    storage.write(f"{root}/a", DIGITS)
    storage.write(f"{root}/a", b"x")
    assert b"x" == storage.read(f"{root}/a")


def test_copy(storage: Storage, root: str) -> None:
    """A copy has the same bytes, replaces the target, and does not depend on its source."""
    storage.write(f"{root}/a", DIGITS)
    storage.write(f"{root}/deep/b", b"old")
    copied = storage.copy(f"{root}/a", f"{root}/deep/b")
    assert (f"{root}/deep/b", 10) == (copied.url, copied.size)
    storage.write(f"{root}/a", b"new")
    assert DIGITS == storage.read(f"{root}/deep/b", etag=copied.etag)
    storage.delete([f"{root}/a"])
    assert copied == storage.head(f"{root}/deep/b")


def test_copy_of_a_verified_object(storage: Storage, root: str) -> None:
    """A copy of a verified object keeps the digest, and has a size and ETag like any object."""
    proven = _proven(storage, f"{root}/a", DIGITS)
    copied = storage.copy(proven.url, f"{root}/b", expected=proven)
    assert replace(storage.head(f"{root}/b"), digest=proven.digest) == copied
    assert DIGITS == storage.read(f"{root}/b", etag=copied.etag)


@pytest.mark.parametrize("content", [b"0123456788", b"012345678", b"01234567890", b"", None])
def test_copy_of_a_changed_object(storage: Storage, root: str, content: bytes | None) -> None:
    """A copy of an object that has changed is refused, and leaves nothing at the target."""
    proven = _proven(storage, f"{root}/a", DIGITS)
    if content is None:
        storage.delete([proven.url])
    else:
        storage.write(proven.url, content)
    with pytest.raises(ObjectMissing if content is None else InputChanged):
        storage.copy(proven.url, f"{root}/b", expected=proven)
    assert [] == [info for info in storage.list(root) if info.url.endswith("/b")]


def test_copy_of_a_file_that_has_rotten(tmp_path: Path) -> None:
    """A copy compares the bytes with the digest, even if the file's times are unchanged."""
    storage = open_storage()
    proven = _proven(storage, f"file://{tmp_path}/a", DIGITS)
    (tmp_path / "a").write_bytes(b"0123456780")
    with pytest.raises(InputChanged, match="another digest"):
        storage.copy(
            proven.url,
            f"file://{tmp_path}/b",
            expected=replace(storage.head(proven.url), digest=proven.digest),
        )
    assert ["a"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.s3
def test_a_change_while_s3_copies_is_refused(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A change during S3's copy is found by a look before and after, and the copy is deleted."""
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    storage, root = open_storage(), f"s3://{BUCKET}/{tmp_path.name}"
    proven = _proven(storage, f"{root}/a", DIGITS)
    copy = obstore.copy

    def change_and_copy(store: Any, source: str, target: str) -> None:
        storage.write(f"{root}/a", b"9876543210")
        copy(store, source, target)

    monkeypatch.setattr(obstore, "copy", change_and_copy)
    with pytest.raises(InputChanged):
        storage.copy(proven.url, f"{root}/b", expected=proven)
    assert [f"{root}/a"] == [info.url for info in storage.list(root)]


def test_a_store_vouches_for_its_etags_or_is_read(storage: Storage, root: str) -> None:
    """S3 vouches for its ETags, because only S3 changes its objects; a local folder does not."""
    assert root.startswith("s3:") == storage.vouches(f"{root}/a")


def _proven(storage: Storage, url: str, content: bytes) -> ObjectInfo:
    return replace(storage.write(url, content), digest=digest_of_bytes(content))


def test_delete(storage: Storage, root: str) -> None:
    """A delete removes the named objects, and ignores missing ones."""
    urls = [f"{root}/{name}" for name in "abc"]
    for url in urls:
        storage.write(url, b"")
    storage.delete([urls[0], f"{root}/never", urls[2], urls[2]])
    storage.delete(iter([urls[0]]))
    storage.delete([])
    assert [urls[1]] == [info.url for info in storage.list(root)]


# -- listing ---------------------------------------------------------------------------------------


def test_list(storage: Storage, root: str) -> None:
    """A folder's objects are listed sorted by URL, at any depth, without those of folders with a
    longer name.
    """
    names = ["b", "a/z", "a/b/c", "a-b", "a.b", "ab/x", "B"]
    written = [storage.write(f"{root}/{name}", name.encode()) for name in names]
    by_url = sorted(written, key=lambda info: info.url)
    assert by_url == list(storage.list(root)) == list(storage.list(f"{root}/"))
    assert ["a/b/c", "a/z"] == [
        info.url.removeprefix(f"{root}/") for info in storage.list(f"{root}/a")
    ]
    assert [] == list(storage.list(f"{root}/none"))


def test_folders(storage: Storage, root: str) -> None:
    """The folders in a folder are listed by name and sorted, without what lies below them."""
    for name in ("runs/b/plan.json", "runs/b/events/0", "runs/a b/x/y", "runs/note", "other/c/d"):
        storage.write(f"{root}/{name}", b"")
    assert ["a b", "b"] == list(storage.folders(f"{root}/runs"))
    assert ["other", "runs"] == list(storage.folders(f"{root}/"))
    assert [] == list(storage.folders(f"{root}/none"))


def test_list_of_many(storage: Storage, root: str) -> None:
    """A listing continues after the store's first page."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: storage.write(f"{root}/many/{number:04d}", b""), range(1_050)))
    assert [f"{root}/many/{number:04d}" for number in range(1_050)] == [
        info.url for info in storage.list(f"{root}/many")
    ]


# -- names -----------------------------------------------------------------------------------------

NAMES = [
    "a b",
    " leading and trailing ",
    "a#b",
    "#",
    "100%",
    "a%20b",
    "%2e%2e",
    "%2F",
    "what?",
    "a?b=c&d=e",
    "a+b",
    "ü – 日本.txt",
    "e\u0301",
    "'quoted' \"twice\"",
    "[x]{y}*~`|^<>",
    "back\\slash",
    "a:b;c,d=e@f$g!",
    "...",
    "-",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_taken_as_they_are(storage: Storage, root: str, name: str) -> None:
    """A name of any characters is one object of exactly that name: nothing is decoded or cut."""
    url = f"{root}/{name}/{name}"
    written = storage.write(url, name.encode())
    assert [written] == list(storage.list(root)) == list(storage.list(f"{root}/{name}"))
    assert written == storage.head(url)
    assert name.encode() == storage.read(url, 0, written.size, etag=written.etag)
    assert written.size == storage.copy(url, f"{root}/{name} copy").size
    with pytest.raises(ObjectExists):
        storage.create(url, b"")
    storage.delete([url, f"{root}/{name} copy"])
    assert [] == list(storage.list(root))


def test_local_names_are_file_names(tmp_path: Path) -> None:
    """A local object is the file of the same name, also one that was made without this storage."""
    for name in NAMES:
        (tmp_path / name).write_text(name)
    storage = open_storage()
    assert sorted(f"file://{tmp_path}/{name}" for name in NAMES) == [
        info.url for info in storage.list(f"file://{tmp_path}")
    ]
    for name in NAMES:
        assert name.encode() == storage.read(f"file://{tmp_path}/{name}")


def test_file_with_a_number_after_a_hash(tmp_path: Path) -> None:
    """A file such as `report #1` is listed, or refused with its name."""
    (tmp_path / "report #1").write_text("text")
    (tmp_path / "report").write_text("text")
    try:
        found = [info.url for info in open_storage().list(f"file://{tmp_path}")]
    except StorageError as exc:
        assert "report #1" in str(exc)
    else:
        assert [f"file://{tmp_path}/report", f"file://{tmp_path}/report #1"] == found


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_any_ranges_make_the_whole(
    storage: Storage, root: str, data: bytes, cuts: list[int]
) -> None:
    """Neighbouring ranges, joined, equal the object."""
    etag = storage.write(f"{root}/a", data).etag
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    parts = [storage.read(f"{root}/a", start, end, etag=etag) for start, end in pairwise(edges)]
    assert data == b"".join(parts)


# -- grants ----------------------------------------------------------------------------------------


def test_grants(storage: Storage, root: str) -> None:
    """A granted process can use its store, read its inputs, and do nothing else."""
    storage.write(f"{root}/input/a", DIGITS)
    storage.write(f"{root}/secret/a", DIGITS)
    storage.write(f"{root}/store-of-others/a", DIGITS)
    granted = open_storage(Grants(writable=(f"{root}/store",), readable=(f"{root}/input",)))

    own: ObjectInfo = granted.write(f"{root}/store/a", DIGITS)
    assert own.size == granted.copy(f"{root}/input/a", f"{root}/store/b").size
    assert DIGITS == granted.read(f"{root}/input/a") == granted.read(f"{root}/store/a")
    assert 2 == len(list(granted.list(f"{root}/store")))
    granted.delete([f"{root}/store/a", f"{root}/store/b"])

    for url in (
        f"{root}/secret/a",
        f"{root}/store-of-others/a",
        f"{root}/store/../secret/a",
        f"{root}/stor",
    ):
        with pytest.raises(RefusedURL):
            granted.head(url)
        with pytest.raises(RefusedURL):
            granted.read(url)
        with pytest.raises(RefusedURL):
            list(granted.list(url))
        with pytest.raises(RefusedURL):
            granted.copy(url, f"{root}/store/stolen")
    for url in (f"{root}/input/a", f"{root}/secret/a", f"{root}/store/../secret/a"):
        for operation in (
            lambda url=url: granted.write(url, b""),
            lambda url=url: granted.create(url, b""),
            lambda url=url: granted.delete([url]),
            lambda url=url: granted.copy(f"{root}/input/a", url),
        ):
            with pytest.raises(RefusedURL):
                operation()
    assert DIGITS == storage.read(f"{root}/secret/a") == storage.read(f"{root}/input/a")
    assert [] == list(storage.list(f"{root}/store"))


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/a", "ftp://a/b", "file://relative/a", "/etc/passwd", "s3://", "gs://b/a"],
)
def test_other_schemes(url: str) -> None:
    """A URL of an unsupported scheme is refused without I/O, with and without grants."""
    for storage in (open_storage(), open_storage(Grants(writable=("file:///",)))):
        with pytest.raises(RefusedURL):
            storage.read(url)


def test_other_bucket_of_a_store(storage: Storage, root: str) -> None:
    """A write to an unreachable bucket raises `StorageError` with the URL, in one line."""
    url = "s3://no-such-bucket-here/a" if root.startswith("s3") else "file:///proc/1/no/such/place"
    with pytest.raises(StorageError) as caught:
        storage.write(url, b"x")
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)


# -- what is left ----------------------------------------------------------------------------------


def test_finished_objects_are_not_unfinished(storage: Storage, root: str) -> None:
    """A complete object is not unfinished, and a missing folder has no unfinished objects."""
    storage.write(f"{root}/a", DIGITS)
    assert [] == list(storage.unfinished(root, 0)) == list(storage.unfinished(f"{root}/none", 0))


def test_files_of_a_killed_write_are_found_and_deleted(tmp_path: Path) -> None:
    """A file that a killed process has half written is no object, and can be deleted later."""
    left = tmp_path / "maps" / f".mapreduce-{'0' * 16}.unfinished"
    left.parent.mkdir()
    left.write_bytes(DIGITS)
    storage, root = open_storage(), f"file://{tmp_path}"
    assert [] == list(storage.list(root)) == list(storage.unfinished(root, 3600))
    os.utime(left, (0, 0))
    (found,) = storage.unfinished(root, 3600)
    assert (f"file://{left}", len(DIGITS)) == (found.url, found.size)
    storage.delete([found.url])
    assert not left.exists()
