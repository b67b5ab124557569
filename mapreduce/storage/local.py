"""Objects that are files of this machine."""

from __future__ import annotations

from obstore.store import LocalStore

from mapreduce.storage.objects import ObstoreStorage


def open_local() -> ObstoreStorage:
    """The whole local file system; a `GuardedStorage` in front of it says which folders may be touched."""
    return ObstoreStorage(LocalStore("/", automatic_cleanup=True), "file://")
