"""The added albums in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.albums.album import Album
from examples.albums.store import CREATIONS, AlbumStore
from mapreduce.errors import ObjectExists, StorageError
from mapreduce.storage import ObjectInfo
from mapreduce.storage.local import LocalStorage

FOUR = Album(id="4", title="T", artist="A", price=1.5)


class _Scripted(LocalStorage):
    """A folder whose creations first do what a script says."""

    def __init__(self, *script: str) -> None:
        super().__init__()
        self.script = list(script)
        self.reads: list[str] = []

    def create(self, url: str, data: bytes, *, durable: bool = False) -> ObjectInfo:
        """Create an object; "lost": and lose the answer, "busy": refuse, and create nothing."""
        deed = self.script.pop(0) if self.script else ""
        if deed == "busy":
            raise ObjectExists(url)
        made = super().create(url, data)
        if deed == "lost":  # what the storage's own second PUT finds
            raise ObjectExists(url)
        return made

    def read(
        self, url: str, start: int = 0, end: int | None = None, *, etag: str | None = None
    ) -> bytes:
        """Record the read."""
        self.reads.append(url.rpartition("/")[2])
        return super().read(url, start, end, etag=etag)


def _store(folder: Path, storage: LocalStorage | None = None) -> AlbumStore:
    return AlbumStore(storage or LocalStorage(), f"file://{folder}/")


def test_an_album_is_found_after_it_is_added(tmp_path: Path) -> None:
    """Another task with the same store finds an added album, at its documented place."""
    assert _store(tmp_path).get("4") is None
    assert _store(tmp_path).add(FOUR, "r")
    assert _store(tmp_path).get("4") == FOUR
    assert (tmp_path / "albums" / "4.json").is_file()


def test_of_two_requests_for_one_id_the_first_wins(tmp_path: Path) -> None:
    """A second request for the same id changes nothing, whatever its album."""
    store = _store(tmp_path)
    assert store.add(FOUR, "first")
    assert not store.add(FOUR, "second")
    assert not store.add(FOUR.model_copy(update={"title": "U"}), "second")
    assert store.get("4") == FOUR


def test_the_same_request_again_is_no_duplicate(tmp_path: Path) -> None:
    """A repeated request gets the same answer, unless it has another album now."""
    store = _store(tmp_path)
    assert store.add(FOUR, "first")
    assert store.add(FOUR, "first")
    assert not store.add(FOUR.model_copy(update={"price": 2.0}), "first")


def test_an_own_put_whose_answer_was_lost_is_no_duplicate(tmp_path: Path) -> None:
    """If the storage's second PUT finds the object of its first one, the album is added."""
    assert _store(tmp_path, _Scripted("lost")).add(FOUR, "r")


def test_a_store_that_is_busy_with_another_creation_is_asked_again(tmp_path: Path) -> None:
    """S3 refuses one of two creations at a time, and that of the other may fail: then try again."""
    storage = _Scripted("busy", "busy")
    assert _store(tmp_path, storage).add(FOUR, "r")
    assert storage.reads == ["4.json", "4.json"]


def test_a_store_that_stays_busy_has_failed(tmp_path: Path) -> None:
    """The attempts are limited, and a failure is no duplicate."""
    storage = _Scripted(*["busy"] * CREATIONS, "too late")
    with pytest.raises(StorageError, match="could not be created"):
        _store(tmp_path, storage).add(FOUR, "r")
    assert storage.script == ["too late"]


def test_the_list_is_sorted_by_id_and_read_once(tmp_path: Path) -> None:
    """The list is sorted by the ids themselves, and an album that is known is not read again."""
    storage = _Scripted()
    store = _store(tmp_path, storage)
    for name in ("b", "a.1", "a", "B", "a~"):
        assert store.add(FOUR.model_copy(update={"id": name}), "r")
    for _ in range(2):
        listed = [store.listed(info) for info in store.infos()]
        assert [album.id for album in listed if album] == ["B", "a", "a.1", "a~", "b"]
    assert len(storage.reads) == 5


def test_an_album_that_is_deleted_and_added_again_is_read_again(tmp_path: Path) -> None:
    """What a task remembers is a version of an object."""
    store, file = _store(tmp_path), tmp_path / "albums" / "4.json"
    assert store.add(FOUR, "r")
    (before,) = store.infos()
    assert store.listed(before) == FOUR
    file.unlink()
    assert store.infos() == []
    other = FOUR.model_copy(update={"title": "Another"})
    assert store.add(other, "s")
    (after,) = store.infos()
    assert store.listed(after) == other


def test_other_objects_in_the_folder_are_no_albums(tmp_path: Path) -> None:
    """An object whose name no album can have is not listed; a missing one is None."""
    folder = tmp_path / "albums"
    (folder / "deep").mkdir(parents=True)
    for name in ("readme.txt", ".json", "-a.json", "deep/a.json", "..json"):
        (folder / name).write_text("{}")
    store = _store(tmp_path)
    assert store.infos() == []
    assert store.listed(ObjectInfo(f"file://{folder}/gone.json", 1, "e")) is None


def test_an_object_that_is_not_an_album_is_named(tmp_path: Path) -> None:
    """Content that is no album is an error with the object's URL and the next step."""
    (tmp_path / "albums").mkdir()
    (tmp_path / "albums" / "4.json").write_text('{"album": 1}')
    with pytest.raises(StorageError, match=r"albums/4\.json is not an album; delete"):
        _store(tmp_path).get("4")


def test_an_object_of_another_id_is_not_found(tmp_path: Path) -> None:
    """Where the file system ignores case, `a.json` does not answer for the id `A`."""
    store = _store(tmp_path)
    assert store.add(FOUR, "r")
    (tmp_path / "albums" / "4.json").rename(tmp_path / "albums" / "5.json")
    assert store.get("5") is None
    assert not store.add(FOUR.model_copy(update={"id": "5"}), "r")
