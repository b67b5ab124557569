"""The albums that clients have added: one object each in the store, created once, never changed.

Blocking; the app calls it in threads.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from examples.albums.album import Album, is_id
from mapreduce.errors import ObjectExists, ObjectMissing, StorageError
from mapreduce.storage import ObjectInfo, Storage

CREATIONS = 3
"""Attempts at a creation: S3 answers "exists" also while another creation is under way, which may
still fail."""
MOST_KNOWN = 10_000
"""Albums that a task remembers between two lists: at most about 50 MB."""
_ENDING = ".json"


class KeptAlbum(BaseModel):
    """An album as the store has it, with the id of the request that created it."""

    model_config = ConfigDict(frozen=True)

    request: str
    album: Album


class AlbumStore:
    """The added albums.

    Args:
        storage: the objects.
        place: the store's root URL; the albums are in its folder `albums`.
    """

    def __init__(self, storage: Storage, place: str) -> None:
        self._storage = storage
        self._folder = f"{place.rstrip('/')}/albums"
        self._known: dict[ObjectInfo, Album] = {}

    def get(self, album_id: str) -> Album | None:
        """Return an album, or None.

        Args:
            album_id: a valid id.

        Raises:
            StorageError: the store fails, or the object is not an album.
        """
        kept = self._kept(album_id)
        # a folder on a file system that ignores case finds `a.json` for the id `A`
        return kept.album if kept is not None and kept.album.id == album_id else None

    def add(self, album: Album, request: str) -> bool:
        """Create an album, unless there is one with its id.

        Args:
            album: the album.
            request: identifies the request. The storage sends a PUT again if its answer is lost,
                and then finds the object of the first one; so does a client that repeats a request.

        Returns:
            Whether this request has created it, now or before.

        Raises:
            StorageError: the store fails; then the album may exist or not.
        """
        kept = KeptAlbum(request=request, album=album)
        data = kept.model_dump_json().encode()
        for _ in range(CREATIONS):
            try:
                self._storage.create(self._url(album.id), data)
            except ObjectExists:
                found = self._kept(album.id)
                if found is not None:
                    return found == kept
            else:
                return True
        raise StorageError(f"{self._url(album.id)} could not be created; try again")

    def infos(self) -> list[ObjectInfo]:
        """Return the objects of all albums, by id; raise StorageError as the store does."""
        found = {self._id_of(info): info for info in self._storage.list(self._folder)}
        return [info for album_id, info in sorted(found.items()) if is_id(album_id)]

    def listed(self, info: ObjectInfo) -> Album | None:
        """Return the album in an object of the list, or None if it has been deleted since.

        Raises:
            StorageError: the store fails, or the object is not an album.
        """
        known = self._known.get(info) or self.get(self._id_of(info))
        if known is not None and len(self._known) < MOST_KNOWN:
            self._known[info] = known
        return known

    def _kept(self, album_id: str) -> KeptAlbum | None:
        url = self._url(album_id)
        try:
            return KeptAlbum.model_validate_json(self._storage.read(url))
        except ObjectMissing:
            return None
        except ValidationError as exc:
            raise StorageError(f"{url} is not an album; delete this object") from exc

    def _url(self, album_id: str) -> str:
        return f"{self._folder}/{album_id}{_ENDING}"

    def _id_of(self, info: ObjectInfo) -> str:
        name = info.url.removeprefix(f"{self._folder}/")
        return name.removesuffix(_ENDING) if name.endswith(_ENDING) else ""
