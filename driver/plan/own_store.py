"""The inputs that lie in the run's store: only a committed result of a run is read."""

from __future__ import annotations

import os
from pathlib import Path

from mapreduce.errors import InputError, ObjectMissing
from mapreduce.storage import Storage
from mapreduce.wire import keys

_LOCAL = "file://"


class OwnStore:
    """Places in the store. A place is a URL, or for a local file the absolute path without links.

    Args:
        store: root URL of the store; None for no store.
        storage: reads it.
    """

    def __init__(self, store: str | None, storage: Storage) -> None:
        self._store = store.rstrip("/") if store else None
        self._storage = storage
        self._keys: dict[str, str | None] = {}
        self._committed: dict[str, bool] = {}

    @property
    def example(self) -> str:
        """The form of a committed result's URL, for a message."""
        return f"{(self._store or '').removeprefix(_LOCAL)}/{keys.REDUCE}/RUN/"

    def contains(self, place: str) -> bool:
        """Return whether a place is the store or lies below its root."""
        root = (self._store or "").removeprefix(_LOCAL)
        return self._key(place) is not None or (self._store is not None and _same(place, root))

    def holds(self, place: str) -> bool:
        """Return whether a run has written the object at a place."""
        key = self._key(place)
        return key is not None and keys.is_own(key)

    def results_folder(self, place: str) -> str | None:
        """Return the run whose folder of results a place is; None for other places."""
        key = self._key(place.rstrip("/") if "://" in place else os.path.realpath(place))
        return keys.run_of_results(key) if key else None

    def is_result(self, place: str, run: str | None) -> bool:
        """Return whether a place is a part of the committed result of that run."""
        key = self._key(place)
        return (
            run is not None
            and key is not None
            and keys.run_of_result(key) == run
            and self._is_committed(run)
        )

    def check_given(self, given: str, place: str) -> None:
        """Refuse an object of the store as an input, unless it is a part of a committed result.

        Raises:
            InputError: it is not.
        """
        if not self.holds(place):
            return
        run = keys.run_of_result(self._key(place) or "")
        if run is None or not self._is_committed(run):
            raise InputError(
                f"{given} lies in the run store, of which only a committed result can be an input: "
                f"name {self.example}"
            )

    def _is_committed(self, run: str) -> bool:
        if run not in self._committed:
            try:
                self._storage.head(keys.success(self._store or "", run))
                self._committed[run] = True
            except ObjectMissing:
                self._committed[run] = False
        return self._committed[run]

    def _key(self, place: str) -> str | None:
        """Return a place's key below the store's root; None when it lies elsewhere."""
        if self._store is None or ("://" in place) == self._store.startswith(_LOCAL):
            return None
        if "://" in place:
            key = place.removeprefix(f"{self._store}/")
            return key if key != place else None
        folder, _, name = place.rpartition("/")
        above = self._folder_key(folder or "/")
        return None if above is None else f"{above}/{name}".lstrip("/")

    def _folder_key(self, folder: str) -> str | None:
        """Return the key of a local folder, "" for the root; cached, as one folder holds many."""
        if folder not in self._keys:
            assert self._store is not None
            if _same(folder, self._store.removeprefix(_LOCAL)):
                self._keys[folder] = ""
            elif folder == "/":
                self._keys[folder] = None
            else:
                parent, _, name = folder.rpartition("/")
                above = self._folder_key(parent or "/")
                self._keys[folder] = None if above is None else f"{above}/{name}".lstrip("/")
        return self._keys[folder]


def _same(path: str, folder: str) -> bool:
    """Return whether two paths are one folder, however each is written."""
    if path == folder:
        return True
    try:
        return Path(path).samefile(folder)
    except OSError:
        return False
