"""Each URL goes to its backend, which is opened once; a refused URL opens none."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mapreduce.errors import RefusedURL, StorageError
from mapreduce.storage import Grants, Storage, open_storage
from mapreduce.storage.local import LocalStorage
from mapreduce.storage.router import RoutedStorage


def never(root: str) -> Storage:
    """Raise, because a refused URL must not open a backend."""
    raise AssertionError(f"{root} was opened")


@pytest.mark.parametrize(
    "action",
    [
        lambda storage: storage.head("file:///other/a"),
        lambda storage: storage.read("file:///other/a"),
        lambda storage: list(storage.stream("file:///other/a", 0, 1)),
        lambda storage: storage.write("file:///other/a", b""),
        lambda storage: storage.write("file:///books/a", b""),
        lambda storage: storage.create("file:///books/a", b""),
        lambda storage: storage.copy("file:///store/a", "file:///books/a"),
        lambda storage: storage.copy("file:///other/a", "file:///store/a"),
        lambda storage: list(storage.list("file:///other")),
        lambda storage: storage.delete(["file:///books/a"]),
    ],
)
def test_refused_before_any_io(action: Callable[[Storage], Any]) -> None:
    """Every operation on a URL outside of the grants is refused before a backend is used."""
    opened: list[str] = []

    def open_root(root: str) -> Storage:
        opened.append(root)
        return LocalStorage()

    storage = RoutedStorage(
        open_root, Grants(writable=("file:///store",), readable=("file:///books",))
    )
    with pytest.raises(RefusedURL):
        action(storage)
    # only a copy with a granted source opens that source's backend
    assert opened in ([], ["file://"])


def test_nothing_is_opened_for_a_refused_url() -> None:
    """A URL of another bucket opens no client."""
    with pytest.raises(RefusedURL):
        RoutedStorage(never, Grants(writable=("s3://own",))).head("s3://other/a")


def test_delete_stops_at_a_refused_url(tmp_path: Path) -> None:
    """A delete with a refused URL is refused, and keeps that object."""
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        (folder / "a").write_bytes(b"a")
    storage = open_storage(Grants(writable=(f"file://{own}",)))
    with pytest.raises(RefusedURL):
        storage.delete([f"file://{own}/a", f"file://{other}/a"])
    assert (other / "a").exists()


def test_each_root_is_opened_once() -> None:
    """A backend is opened at its first use, and kept."""
    opened: list[str] = []

    def open_root(root: str) -> Storage:
        opened.append(root)
        return LocalStorage()

    storage = RoutedStorage(open_root)
    for url in ("file:///nowhere/a", "file:///nowhere/b"):
        assert [] == list(storage.list(url))
    assert ["file://"] == opened


def test_threads_that_come_at_once_open_a_root_once() -> None:
    """Concurrent threads open a backend once: each has its own connections and credentials."""
    opened: list[str] = []
    both = threading.Barrier(2)

    def open_root(root: str) -> Storage:
        opened.append(root)
        with suppress(threading.BrokenBarrierError):
            both.wait(0.2)  # a second opening would meet the first one here
        return LocalStorage()

    storage = RoutedStorage(open_root)
    with ThreadPoolExecutor(2) as pool:
        assert [[], []] == list(
            pool.map(lambda _: list(storage.list("file:///nowhere/a")), range(2))
        )
    assert ["file://"] == opened


def test_a_separate_count_uses_the_open_backends() -> None:
    """A storage with a separate count uses the open backends and the same grants."""
    opened: list[str] = []

    def open_root(root: str) -> Storage:
        opened.append(root)
        return LocalStorage()

    storage = RoutedStorage(open_root, Grants(writable=("file:///nowhere",)))
    for each in (storage, storage.with_own_count(), storage.with_own_count()):
        assert [] == list(each.list("file:///nowhere/a"))
        with pytest.raises(RefusedURL):
            each.head("file:///other/a")
    assert ["file://"] == opened


def test_a_local_folder_needs_no_request(tmp_path: Path) -> None:
    """A local folder counts no requests."""
    storage = open_storage()
    storage.write(f"file://{tmp_path}/a", b"x")
    assert storage.read(f"file://{tmp_path}/a") == b"x"
    assert not storage.requests


def test_encoded_steps_do_not_leave_the_store(tmp_path: Path) -> None:
    """`%2e%2e` is a file name, and not a step to the parent folder."""
    store = tmp_path / "store"
    storage = open_storage(Grants(writable=(f"file://{store}",)))
    storage.write(f"file://{store}/%2e%2e/out", b"x")
    assert not (tmp_path / "out").exists()
    assert [store / "%2e%2e" / "out"] == [path for path in tmp_path.rglob("*") if path.is_file()]


def test_copy_between_stores_is_an_error(tmp_path: Path) -> None:
    """A copy from another store raises StorageError."""
    with pytest.raises(StorageError, match="s3://bucket/a is not a file"):
        LocalStorage().copy("s3://bucket/a", f"file://{tmp_path}/a")
