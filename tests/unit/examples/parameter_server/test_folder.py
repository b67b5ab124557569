"""The folder of a laptop's runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.parameter_server import folder
from mapreduce.errors import UsageError


def test_where_the_server_is_is_told_to_its_user_alone(tmp_path: Path) -> None:
    """The file has the key, and is there for as long as the server."""
    place = tmp_path / folder.SERVER_FILE
    with folder.findable(tmp_path, "127.0.0.1:1", "key"):
        assert 0o600 == place.stat().st_mode & 0o777
    assert not place.exists()


def test_one_command_at_a_time_trains_into_a_folder(tmp_path: Path) -> None:
    """The second says so, and leaves the first one's files alone."""
    with folder.locked(tmp_path), folder.findable(tmp_path, "127.0.0.1:1", "key"):
        with pytest.raises(UsageError, match="another `train --store"), folder.locked(tmp_path):
            pass
        assert (tmp_path / folder.SERVER_FILE).exists()
    with folder.locked(tmp_path):
        pass
