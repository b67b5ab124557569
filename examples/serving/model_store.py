"""Models in the object store: a file that its SHA-256 names, and a manifest that names the file.

The manifest is created last and never replaced, so a version is whole or absent, and always the
same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from examples.serving.wire import NAME, file_url, manifest_url
from mapreduce.errors import DataError, ObjectExists, ObjectMissing, UsageError
from mapreduce.storage import Storage


class ModelRefused(DataError):
    """A model in the store that cannot be served; the message says why."""


class Manifest(BaseModel):
    """One version of a model.

    Attributes:
        sha256: the digest of the file.
        inputs, outputs: its tensors, for people; the file itself decides.
        accuracy: the share of right answers on held-out data, if known.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    inputs: Any = None
    outputs: Any = None
    accuracy: float | None = Field(default=None, ge=0, le=1)


def read_model(storage: Storage, store: str, name: str, version: str) -> tuple[Manifest, bytes]:
    """Return a version's manifest and the bytes of its file, checked against the digest.

    Raises:
        ModelRefused: the version or its file is missing, or is not what the manifest says.
        StorageError: the store failed.
    """
    url = manifest_url(store, name, version)
    try:
        manifest = Manifest.model_validate_json(storage.read(url))
    except ObjectMissing as exc:
        raise ModelRefused(
            f"the store has no version {version} of the model {name}: {url} is missing; "
            "put one: python -m examples.serving put"
        ) from exc
    except ValidationError as exc:
        raise ModelRefused(f"{url} is no description of a model: {_first(exc)}") from exc
    url = file_url(store, name, version, manifest.sha256)
    try:
        data = storage.read(url)
    except ObjectMissing as exc:
        raise ModelRefused(
            f"the file of version {version} of the model {name} is missing: {url}; put it again"
        ) from exc
    found = hashlib.sha256(data).hexdigest()
    if found != manifest.sha256:
        raise ModelRefused(
            f"{url} has {len(data)} bytes of another digest, {found}: it was cut short or changed; "
            "put it again as another version"
        )
    return manifest, data


def write_model(
    storage: Storage,
    store: str,
    name: str,
    version: str,
    data: bytes,
    *,
    inputs: Any = None,
    outputs: Any = None,
    accuracy: float | None = None,
) -> Manifest:
    """Put a version of a model into the store, and return its manifest; the same bytes again
    change nothing.

    Raises:
        UsageError: a name that no path can hold, or the version exists with other bytes, or with a
            description that is damaged.
        StorageError: the store failed.
    """
    for what, text in (("name", name), ("version", version)):
        if NAME.fullmatch(text) is None:
            raise UsageError(
                f"{text!r} is no {what} of a model; write letters, digits and . _ - between them"
            )
    digest = hashlib.sha256(data).hexdigest()
    manifest = Manifest(sha256=digest, inputs=inputs, outputs=outputs, accuracy=accuracy)
    storage.write(file_url(store, name, version, digest), data)
    url = manifest_url(store, name, version)
    try:
        storage.create(url, manifest.model_dump_json(indent=2).encode())
    except ObjectExists:
        try:
            existing = Manifest.model_validate_json(storage.read(url))
        except ValidationError as exc:
            raise UsageError(
                f"{url} exists, and is no description of a model: {_first(exc)}; "
                "put this one as another version"
            ) from exc
        if existing.sha256 != digest:
            raise UsageError(
                f"version {version} of the model {name} exists with other bytes ({url}); "
                "put this one as another version"
            ) from None
        return existing
    return manifest


def _first(exc: ValidationError) -> str:
    error = exc.errors(include_url=False, include_input=False)[0]
    return ": ".join([".".join(str(part) for part in error["loc"]), error["msg"]]).lstrip(": ")
