"""Settings that every service has, under the prefix of its own variables."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from services.shell.settings import (
    Place,
    ServiceSettings,
    SettingsConfigDict,
    SignedSettings,
    settings_or_exit,
)


class _Albums(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="ALBUMS_", frozen=True)

    store: Place


class _Signed(SignedSettings):
    model_config = SettingsConfigDict(env_prefix="OTHER_", frozen=True)


def test_a_setting_is_read_under_the_service_s_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service reads its own variables, and none of another service."""
    monkeypatch.setenv("ALBUMS_STORE", "s3://albums")
    monkeypatch.setenv("ALBUMS_PORT", "81")
    monkeypatch.setenv("OTHER_PORT", "82")
    assert ("s3://albums", 81) == ((made := settings_or_exit(_Albums)).store, made.port)


def test_each_wrong_setting_is_a_line_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All wrong settings are said at once, and the exit code is 2."""
    monkeypatch.setenv("ALBUMS_STORE", "nowhere")
    monkeypatch.setenv("ALBUMS_PORT", "many")
    with pytest.raises(SystemExit) as ended:
        settings_or_exit(_Albums)
    said = capsys.readouterr().err.splitlines()
    assert (2, ["ALBUMS_PORT", "ALBUMS_STORE"]) == (
        ended.value.code,
        sorted(line.partition(": ")[0] for line in said),
    )


def test_a_variable_with_a_name_of_its_own_is_named_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A field may be a variable without the prefix; the message then has none either."""

    class _Aliased(ServiceSettings):
        model_config = SettingsConfigDict(env_prefix="ALBUMS_", frozen=True)

        count: int = Field(default=1, validation_alias="TOTAL_COUNT")

    monkeypatch.setenv("TOTAL_COUNT", "many")
    with pytest.raises(SystemExit):
        settings_or_exit(_Aliased)
    assert capsys.readouterr().err.startswith("TOTAL_COUNT: ")


def test_an_address_for_other_machines_needs_encryption() -> None:
    """An address beyond loopback is refused without TLS, with the service's own variables."""
    with pytest.raises(ValidationError, match="ALBUMS_HOST=10.0.0.1 .* ALBUMS_TLS=true"):
        _Albums(store="s3://albums", host="10.0.0.1")
    assert _Albums(store="s3://albums", host="10.0.0.1", tls=True).tls
    assert not _Albums(store="s3://albums", host="10.0.0.1", allow_plain_http=True).tls
    assert not _Albums(store="s3://albums", host="localhost").tls


@pytest.mark.parametrize("place", ["file:///", "file:///a/../..", "s3://", "http://store", ""])
def test_a_place_that_is_none(place: str) -> None:
    """A place that names no store, or the whole file system, is refused."""
    with pytest.raises(ValidationError):
        _Albums(store=place)


@pytest.mark.parametrize("key", ["", "short"])
def test_a_key_must_be_long(key: str) -> None:
    """A key of fewer than 32 bytes is refused, and is not in the message."""
    with pytest.raises(ValidationError) as caught:
        _Signed(signing_key=key)
    assert "32" in str(caught.value)
    assert not key or key not in str(caught.value.errors(include_url=False, include_input=False))
