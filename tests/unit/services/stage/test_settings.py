"""Settings that a service refuses: places that mean everything, and a scratch folder open to other
users.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mapreduce.errors import UsageError
from services.stage.serve import own_folder
from services.stage.settings import Settings

KEY = "k" * 32


@pytest.mark.parametrize(
    "place", ["s3://", "file:///", "file://", "/store", "", "http://store", "file:///a/../.."]
)
def test_places_that_are_none(place: str) -> None:
    """A store or input that is no place, or the root of the file system, is refused."""
    for changed in ({"store": place}, {"store": "s3://own", "extra_inputs": (place,)}):
        with pytest.raises(ValidationError):
            Settings(signing_key=KEY, **changed)


def test_the_key_is_not_shown() -> None:
    """The key appears neither in the settings' text nor in an error."""
    assert KEY not in repr(Settings(store="s3://own", signing_key=KEY))
    with pytest.raises(ValidationError) as caught:
        Settings(store="s3://own", signing_key="short-key")
    assert "short-key" not in str(caught.value.errors(include_url=False, include_input=False))


def test_own_folder(tmp_path: Path) -> None:
    """A new folder is only for this user, and an existing one must not be writable for others."""
    own_folder(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    own_folder(tmp_path / "new")
    (tmp_path / "link").symlink_to("new")
    own_folder(tmp_path / "link")
    for mode in (0o777, 0o1777, 0o770, 0o702):
        (tmp_path / "new").chmod(mode)
        for name in ("new", "link"):
            with pytest.raises(UsageError, match="other users may write"):
                own_folder(tmp_path / name)


@pytest.mark.parametrize("mine", ["folder", "link"])
def test_a_folder_of_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mine: str) -> None:
    """Another user's folder, or a link to it, is refused with any permissions."""
    (tmp_path / "folder").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("folder")
    other = tmp_path.stat().st_uid + 1
    monkeypatch.setattr("services.stage.serve.os.geteuid", lambda: other)
    with pytest.raises(UsageError, match="other users may write"):
        own_folder(tmp_path / mine)


@pytest.mark.parametrize(
    ("settings", "starts"),
    [
        ({}, True),
        ({"host": "127.0.0.1"}, True),
        ({"host": "127.9.9.9"}, True),
        ({"host": "::1"}, True),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": ""}, False),
        ({"host": "::"}, False),
        ({"host": "10.0.0.1"}, False),
        ({"host": "mapper.example.org"}, False),
        ({"host": "0.0.0.0", "tls": True}, True),
        ({"host": "0.0.0.0", "allow_plain_http": True}, True),
    ],
)
def test_plain_http_is_for_loopback(settings: dict[str, Any], *, starts: bool) -> None:
    """Without TLS a service refuses any address but loopback, unless it is told to allow it."""
    if starts:
        Settings(store="s3://own", signing_key=KEY, **settings)
        return
    with pytest.raises(ValidationError) as caught:
        Settings(store="s3://own", signing_key=KEY, **settings)
    (error,) = caught.value.errors()
    assert ("tls",) == error["loc"]
    assert "set MAPREDUCE_TLS=true" in error["msg"]
