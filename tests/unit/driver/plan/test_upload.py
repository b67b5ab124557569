"""A local input is uploaded to the store under its digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from driver.plan.inputs import find_inputs
from driver.plan.upload import upload_inputs
from mapreduce.errors import InputChanged
from mapreduce.storage import open_storage
from mapreduce.wire.messages import InputObject

STORAGE = open_storage()


def uploaded(
    folder: Path, given: tuple[InputObject, ...], change: Path | None = None
) -> tuple[InputObject, ...]:
    """Upload the inputs to a store below the folder; change `change` during the upload."""

    def progress(_name: str, _sent: int, _size: int) -> None:
        if change is not None:
            change.write_bytes(b"other")

    return upload_inputs(given, STORAGE, f"file://{folder}/store", progress)


def test_an_input_goes_up_once_for_its_content(tmp_path: Path) -> None:
    """An input is uploaded once for each content, wherever the file is."""
    (tmp_path / "a").write_bytes(b"alpha")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/a").symlink_to("../a")
    one, other = (
        uploaded(tmp_path, find_inputs([str(tmp_path / name)], STORAGE).objects)[0]
        for name in ("a", "b/a")
    )
    assert one == other
    assert one.url == f"file://{tmp_path}/store/input/{hashlib.sha256(b'alpha').hexdigest()}/a"
    assert b"alpha" == STORAGE.read(one.url, etag=one.etag)


def test_a_file_that_changes_while_it_is_sent_is_no_upload(tmp_path: Path) -> None:
    """A file that changes during its upload is refused, and leaves nothing in the store."""
    path = tmp_path / "a"
    path.write_bytes(b"alpha")
    given = find_inputs([str(path)], STORAGE).objects
    with pytest.raises(InputChanged, match="run again"):
        uploaded(tmp_path, given, change=path)
    assert not list((tmp_path / "store").rglob("a"))


def test_a_file_that_has_changed_since_it_was_found(tmp_path: Path) -> None:
    """A file that has changed since it was found is refused, even if the new content is stored."""
    path = tmp_path / "a"
    path.write_bytes(b"other")
    uploaded(tmp_path, find_inputs([str(path)], STORAGE).objects)
    path.write_bytes(b"alpha")
    given = find_inputs([str(path)], STORAGE).objects
    path.unlink()
    path.write_bytes(b"other")
    with pytest.raises(InputChanged):
        uploaded(tmp_path, given)
