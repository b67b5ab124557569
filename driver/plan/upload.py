"""Local inputs into the store: once for each content, whatever the file is called now or later.

What lies under a digest must have it, as later runs believe it: a file that changes while it is sent is no upload.
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
"""Told (name, bytes sent, bytes in all) as an upload goes."""


def upload_inputs(
    inputs: Sequence[InputObject], storage: Storage, store: str, progress: Progress
) -> tuple[InputObject, ...]:
    """Return the same inputs with every local file replaced by its copy in the store; the order
    stays.

    Raises:
        InputChanged: a file is not as it was when the run was planned, or changed while it was
            sent.
    """
    return tuple(
        _uploaded(given, storage, store, progress) if given.url.startswith("file://") else given
        for given in inputs
    )


def _uploaded(given: InputObject, storage: Storage, store: str, progress: Progress) -> InputObject:
    path = Path(given.url.removeprefix("file://"))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    url = keys.uploaded_input(store, digest, path.name)
    try:
        info = storage.head(url)
        if info.size == given.size:
            _check_unchanged(given, storage)
            return given.model_copy(update={"url": url, "etag": info.etag})
    except ObjectMissing:
        pass
    info = storage.write(url, path, progress=lambda sent: progress(path.name, sent, given.size))
    try:
        _check_unchanged(given, storage)
    except InputChanged:
        storage.delete([url])
        raise
    return given.model_copy(update={"url": url, "size": info.size, "etag": info.etag})


def _check_unchanged(given: InputObject, storage: Storage) -> None:
    if storage.head(given.url).etag != given.etag:
        raise InputChanged(
            f"{given.url} has changed since the run was planned; run again to take it as it is now"
        )
