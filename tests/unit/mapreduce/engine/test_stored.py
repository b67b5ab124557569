"""Small objects between stages are read only as they were written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mapreduce.engine.stored import read_stored, write_stored
from mapreduce.errors import CorruptBlock, OutputLost
from mapreduce.storage import open_storage


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """An object is read back, by what a message holds of it."""
    stored = write_stored(open_storage(), f"file://{tmp_path}/list", b"one\ntwo\n")
    assert read_stored(stored, open_storage()) == b"one\ntwo\n"


def test_an_object_that_is_gone_or_changed_is_lost(tmp_path: Path) -> None:
    """A changed and a missing object are reported as lost, with their URL."""
    path = tmp_path / "list"
    stored = write_stored(open_storage(), f"file://{path}", b"one\n")
    path.write_bytes(b"another\n")
    for _ in range(2):
        with pytest.raises(OutputLost) as caught:
            read_stored(stored, open_storage())
        assert caught.value.url == stored.url
        path.unlink(missing_ok=True)


def test_other_bytes_under_the_same_etag_are_damage(tmp_path: Path) -> None:
    """Bytes that only their digest tells from those written are damage, so they are read again."""
    stored = write_stored(open_storage(), f"file://{tmp_path}/list", b"one\n")
    (tmp_path / "list").write_bytes(b"two\n")
    rotten = stored.model_copy(update={"etag": open_storage().head(stored.url).etag})
    with pytest.raises(CorruptBlock) as caught:
        read_stored(rotten, open_storage())
    assert caught.value.url == stored.url
