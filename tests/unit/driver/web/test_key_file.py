"""The key of the cookies."""

from __future__ import annotations

from pathlib import Path

from driver.web.key_file import KEY_BYTES, kept_key


def test_the_key_is_kept_in_a_private_file(tmp_path: Path) -> None:
    """A second start finds the key of the first one, in a file that only its user can read."""
    path = tmp_path / "state" / "web.key"
    key = kept_key(path)
    assert KEY_BYTES == len(key)
    assert 0o600 == path.stat().st_mode & 0o777
    assert key == kept_key(path)


def test_a_key_that_others_can_read_is_replaced(tmp_path: Path) -> None:
    """A file that others can read, one of another length, and a link hold no secret of ours."""
    for spoil in ("mode", "length", "link"):
        path = tmp_path / spoil
        before = kept_key(path)
        if spoil == "mode":
            path.chmod(0o644)
        elif spoil == "length":
            path.write_bytes(b"short")
        else:
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
        assert before != kept_key(path)


def test_without_a_file_the_key_lasts_as_long_as_the_server(tmp_path: Path) -> None:
    """Where nothing can be written there is a key all the same."""
    (tmp_path / "file").touch()
    assert KEY_BYTES == len(kept_key(tmp_path / "file" / "web.key"))
