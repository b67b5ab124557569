"""The settings of a task."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from examples.albums.settings import AlbumSettings

ROOT = Path(__file__).resolve().parents[4]
TERRAFORM = ROOT / "examples" / "albums" / "terraform"


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each field is a variable ALBUMS_<FIELD>."""
    monkeypatch.setenv("ALBUMS_STORE", "s3://bucket")
    monkeypatch.setenv("ALBUMS_LINGER_S", "0")
    settings = AlbumSettings()
    assert (settings.store, settings.linger_s, settings.max_body_mb) == ("s3://bucket", 0, 1)


def test_a_stop_fits_into_the_time_that_ecs_gives() -> None:
    """A task stops by itself before ECS kills it."""
    task = (TERRAFORM / "main.tf").read_text()
    (given,) = re.findall(r"stop_timeout_s\s+= (\d+)", task)
    settings = AlbumSettings(store="s3://bucket")
    assert settings.linger_s < settings.drain_s
    assert settings.drain_s + settings.store_limit_s < int(given)


def test_terraform_sets_names_that_the_settings_have() -> None:
    """Each ALBUMS_ variable in the root is a setting, and no required one is missing."""
    text = (TERRAFORM / "main.tf").read_text()
    named = set(re.findall(r"ALBUMS_[A-Z_]+", text))
    fields = {f"ALBUMS_{name.upper()}": field for name, field in AlbumSettings.model_fields.items()}
    assert named <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= named


@pytest.mark.parametrize("place", ["albums", "file:///", "http://bucket"])
def test_a_store_that_is_none_is_refused(place: str) -> None:
    """The store is a bucket or a folder."""
    with pytest.raises(ValidationError):
        AlbumSettings(store=place)
