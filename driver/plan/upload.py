"""Uploads local inputs to the store, once for each content, whatever the file's name.

An object under a digest must have that digest, as later runs rely on it: an upload fails when its
file changes meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from mapreduce.errors import InputChanged, ObjectMissing
from mapreduce.storage import Storage
from mapreduce.wire import keys
from mapreduce.wire.messages import InputObject

Progress = Callable[[str, int, int], None]
"""Receives (name, bytes sent, bytes in all) during an upload."""


def upload_inputs(
    inputs: Sequence[InputObject], storage: Storage, store: str, progress: Progress
) -> tuple[InputObject, ...]:
    """Return the inputs with every local file replaced by its copy in the store, in the same order.

    Raises:
        InputChanged: a file has changed since the run was planned, or during its upload.
    """
    return tuple(
        _uploaded(given, storage, store, progress) if given.url.startswith("file://") else given
        for given in inputs
    )


def uploaded_already(
    inputs: Sequence[InputObject], storage: Storage, store: str
) -> tuple[InputObject, ...]:
    """Return the inputs with the copies of local files that are in the store already."""

    def found(given: InputObject) -> InputObject:
        if not given.url.startswith("file://"):
            return given
        url = _url_of(Path(given.url.removeprefix("file://")), store)
        try:
            info = storage.head(url)
        except ObjectMissing:
            return given
        same = info.size == given.size
        return given.model_copy(update={"url": url, "etag": info.etag}) if same else given

    return tuple(map(found, inputs))


def _url_of(path: Path, store: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return keys.uploaded_input(store, digest, path.name)


def _uploaded(given: InputObject, storage: Storage, store: str, progress: Progress) -> InputObject:
    path = Path(given.url.removeprefix("file://"))
    url = _url_of(path, store)
    try:
        info = storage.head(url)
        if info.size == given.size:
            _check_unchanged(given, storage)
            return given.model_copy(update={"url": url, "etag": info.etag})
    except ObjectMissing:
        pass
    progress(path.name, 0, given.size)
    info = storage.write(url, path, progress=lambda sent: progress(path.name, sent, given.size))
    try:
        _check_unchanged(given, storage)
    except InputChanged:
        storage.delete([url])
        raise
    return given.model_copy(update={"url": url, "size": info.size, "etag": info.etag})


def _check_unchanged(given: InputObject, storage: Storage) -> None:
    if storage.head(given.url).etag != given.etag:
        raise InputChanged.since_planning(given.url)
