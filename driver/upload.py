"""Local inputs into the store: once for each content, whatever the file is called now or later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from mapreduce import keys
from mapreduce.errors import ObjectMissing
from mapreduce.messages import InputObject
from mapreduce.storage import Storage

Progress = Callable[[str, int, int], None]
"""Told (name, bytes sent, bytes in all) as an upload goes."""


def upload_inputs(
    inputs: Sequence[InputObject], storage: Storage, store: str, progress: Progress
) -> tuple[InputObject, ...]:
    """The same inputs with every local file replaced by its copy in the store; the order stays."""
    return tuple(
        _uploaded(given, storage, store, progress) if given.url.startswith("file://") else given for given in inputs
    )


def _uploaded(given: InputObject, storage: Storage, store: str, progress: Progress) -> InputObject:
    path = Path(given.url.removeprefix("file://"))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    url = keys.uploaded_input(store, digest, path.name)
    try:
        info = storage.head(url)
        if info.size == given.size:
            return given.model_copy(update={"url": url, "etag": info.etag})
    except ObjectMissing:
        pass
    info = storage.write(url, path, progress=lambda sent: progress(path.name, sent, given.size))
    return given.model_copy(update={"url": url, "size": info.size, "etag": info.etag})
