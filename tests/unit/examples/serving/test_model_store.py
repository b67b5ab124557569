"""Models in a store: found again whole, or refused with the reason."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from examples.serving.model_store import Manifest, ModelRefused, read_model, write_model
from mapreduce.errors import UsageError
from mapreduce.storage import Storage, open_storage

DATA = b"the bytes of a model"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def storage() -> Storage:
    """The local store."""
    return open_storage()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A store with version 1 of a model."""
    url = tmp_path.as_uri()
    write_model(open_storage(), url, "digits", "1", DATA, accuracy=0.9)
    return url


def test_what_is_written_is_read(storage: Storage, store: str, tmp_path: Path) -> None:
    """A version has its manifest and its file, under the names that others rely on."""
    assert (Manifest(sha256=DIGEST, accuracy=0.9), DATA) == read_model(
        storage, store, "digits", "1"
    )
    folder = tmp_path / "models" / "digits" / "1"
    assert DATA == (folder / f"{DIGEST}.onnx").read_bytes()
    assert DIGEST == json.loads((folder / "model.json").read_text())["sha256"]


def test_the_same_bytes_again_change_nothing(storage: Storage, store: str) -> None:
    """A put that is repeated returns the manifest that is there."""
    assert 0.9 == write_model(storage, store, "digits", "1", DATA, accuracy=0.1).accuracy


def test_other_bytes_need_another_version(storage: Storage, store: str) -> None:
    """A version is never replaced."""
    with pytest.raises(UsageError, match=r"exists with other bytes .*another version"):
        write_model(storage, store, "digits", "1", b"others")
    assert DATA == read_model(storage, store, "digits", "1")[1]


@pytest.mark.parametrize(("name", "version"), [("../x", "1"), ("digits", ""), ("a b", "1")])
def test_a_name_that_no_path_can_hold(
    storage: Storage, store: str, name: str, version: str
) -> None:
    """A name or version that a path would have to escape is refused."""
    with pytest.raises(UsageError, match="write letters, digits"):
        write_model(storage, store, name, version, DATA)


def test_a_missing_version(storage: Storage, store: str) -> None:
    """A missing manifest says which version, where, and the command that puts one."""
    with pytest.raises(ModelRefused, match=r"no version 2 of the model digits.*put one: python"):
        read_model(storage, store, "digits", "2")


def test_a_missing_file(storage: Storage, store: str, tmp_path: Path) -> None:
    """A manifest without its file is refused."""
    (tmp_path / "models" / "digits" / "1" / f"{DIGEST}.onnx").unlink()
    with pytest.raises(ModelRefused, match=r"file of version 1 .* is missing: file://"):
        read_model(storage, store, "digits", "1")


@pytest.mark.parametrize("found", [b"", DATA[:-1], DATA + b"x", b"x" * len(DATA)])
def test_a_file_of_another_digest(
    storage: Storage, store: str, tmp_path: Path, found: bytes
) -> None:
    """A file that was cut short or changed is refused, with its size and digest."""
    (tmp_path / "models" / "digits" / "1" / f"{DIGEST}.onnx").write_bytes(found)
    with pytest.raises(ModelRefused, match=rf"has {len(found)} bytes of another digest"):
        read_model(storage, store, "digits", "1")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sha256": "../../etc/passwd"}'])
def test_a_manifest_that_is_none(storage: Storage, store: str, tmp_path: Path, text: str) -> None:
    """A manifest without a digest is refused; a digest is nothing but hexadecimal digits."""
    (tmp_path / "models" / "digits" / "1" / "model.json").write_text(text)
    with pytest.raises(ModelRefused, match=r"model\.json is no description of a model: "):
        read_model(storage, store, "digits", "1")
